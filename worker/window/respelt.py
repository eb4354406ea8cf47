"""Words spelt otherwise (smbdy, wrolhset, hpuse, peeple), read as the words they stand for."""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.misspelt import intended, is_known_form
from worker.window.words import ranks

Reading = tuple[float, str, str]  # cost in nats, the way it is written so, the word

WORD: Final = re.compile(
    r"(?<![\w'’@#/\\%=&+*$<>.-])[A-Za-z0-9]{1,20}(?:['’][A-Za-z]{1,3})?(?![\w@#/\\=%+*$]|['’-]\w|\.\w)"
)
_MOST: Final = 150  # unknown words that are looked at in a text: time is linear, and nobody reads more riddles
_LONGEST: Final = 21  # letters
_FEWEST: Final = 2
_SO: Final = 3  # words written one way that make it the way of the text
_SOME: Final = 5  # words that a text must have
_STRONG: Final = 11.0  # is the cost of a reading that nobody doubts, in nats
_SHARE: Final = 0.3  # of the words are spelt otherwise,
_LARGER_SHARE: Final = 0.45  # where they are few,
_SOLVED: Final = 0.6  # so many of the unknown ones have a reading,
_UNREAD: Final = 0.2  # and so few are unknown then: other languages are near few English words
_SHORT: Final = 3
_FREQUENT: Final = 1500  # is what a short word may stand for
_PUNCTUATION: Final = ".,!?;:\"'()…“”"
_KEYS: Final = {
    "q": "wa", "w": "qesa", "e": "wrds", "r": "etfd", "t": "rygf", "y": "tuhg", "u": "yijh", "i": "uokj", "o": "iplk",
    "p": "ol", "a": "qszw", "s": "adwxez", "d": "sfecr", "f": "dgrvt", "g": "fhtby", "h": "gjynu", "j": "hkumi",
    "k": "jlio", "l": "kop", "z": "xas", "x": "zcsd", "c": "xvdf", "v": "cbfg", "b": "vngh", "n": "bmhj", "m": "njk",
}  # fmt: skip
_SLANG: Final = {
    "u": "you", "r": "are", "ur": "your", "yu": "you", "yor": "your", "ya": "you", "da": "the", "tha": "the", "dat":
    "that", "dis": "this", "dem": "them", "den": "then", "dey": "they", "dere": "there", "deir": "their", "dose":
    "those", "wiv": "with", "wid": "with", "n": "and", "nd": "and", "b": "be", "y": "why", "c": "see", "2": "to",
    "4": "for", "cuz": "because", "coz": "because", "wot": "what", "wat": "what", "luv": "love", "ppl": "people",
    "pls": "please", "plz": "please", "b4": "before", "w8": "wait", "kewl": "cool", "thru": "through", "wud":
    "would", "cud": "could", "shud": "should", "sum": "some", "wun": "one", "2nite": "tonight", "wanna": "want to",
    "gonna": "going to", "gotta": "got to", "dye": "die",
}  # fmt: skip
_STAY: Final = frozenset((  # slang that means itself
    "ho", "tho", "bae", "finna", "fenna", "lol", "lls", "smh", "cuh", "boutta", "thang", "omg", "ight", "ain", "yo",
    "yall", "haha", "ja", "ich", "de", "la",
))  # fmt: skip
_OTHERS: Final = (
    "les des est une dans sont avec pour que qui pas sur aux der die das und ist nicht ein eine mit auf den von "
    "zu ich el los las una por con para del como muy il di che non sono gli della um uma nao com het een van voor "
    "niet ve bir bu jest nie som och att det ja ne et le la"
)
_OF_OTHERS: Final = frozenset(_OTHERS.split())  # small words of other languages, which English ones are near to
_OTHER_SHARE: Final = 0.2  # of the words
_SPOKEN: Final = {"0": "o", "1": "one", "2": "to", "3": "e", "4": "for", "8": "ate"}
_SOUNDS: Final = tuple(
    (re.compile(spelt), sound)
    for spelt, sound in (
        ("tion|sion|cion", "shun"), ("ph", "f"), ("augh|ough(?=$|s$)", "uf"), ("gh", ""), ("wh", "w"), ("^kn", "n"),
        ("^wr", "r"), ("sch", "sk"), ("th", "d"), ("qu|kw", "kw"), ("c(?=[eiy])", "s"), ("ch", "C"), ("sh", "S"),
        ("[cq]|ck", "k"), ("x", "ks"), ("z", "s"), ("e(?=s?$)", ""), ("[iy]ng$", "in"), ("b(?=$)(?<=mb)", ""),
        ("[aeiou][aeiouyw]*(?:r(?![aeiouy]))?h?|(?<=.)[yw](?![aeiou])", "a"), ("a+", "a"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip
_ALIKE: Final = str.maketrans("zkqy", "scci")  # letters of one sound
_VOWELS: Final = frozenset("aeiou")
_NO_VOWELS: Final = str.maketrans("", "", "aeiou")


def may_be_respelt(text: str) -> bool:
    """Whether two words and a fifth are unknown, and two of them have a reading."""
    known, words = ranks().__contains__, text.lower().split()
    strange = [word.strip(_PUNCTUATION) for word in itertools.filterfalse(known, words)]
    odd = [word for word in itertools.filterfalse(known, strange) if word.isalnum() and not word.isdigit()]
    if len(odd) < _FEWEST or len(odd) * 5 < len(words):
        return False
    read = (word for word in odd[:_MOST] if 1 < len(word) < _LONGEST and readings(word))
    return len(list(itertools.islice(read, _FEWEST))) == _FEWEST


def respell(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that reads the unknown words of a text in which many are spelt otherwise, in the ways it is written."""

    def step(found: Found) -> Found:
        chosen = _chosen(found.text) if may_be_respelt(found.text) else {}
        return rewritten(found, WORD, lambda match: _written_as(match, chosen)) if chosen else found

    return step


def _written_as(match: re.Match[str], chosen: dict[str, str]) -> Kept | None:
    word, meant = match[0], chosen.get(match[0].lower())
    if meant is None or not _common(match):
        return None
    return meant.upper() if word.isupper() and len(word) > 1 else meant, None


def _chosen(text: str) -> dict[str, str]:
    """Each word of `text` that stands for another, with that; none in a text that is not written so."""
    known = ranks()
    matches = list(WORD.finditer(text))
    all_words = [match[0].lower() for match in matches]
    words = {word for word, match in zip(all_words, matches, strict=True) if not word.isdigit() and _common(match)}
    unknown = [word for word in dict.fromkeys(all_words) if word in words and word not in known][:_MOST]
    odd = {word: readings(word) for word in unknown if not is_known_form(word)}
    ways = Counter(way for options in odd.values() for _, way, _ in options)
    best = {word: one for word, options in odd.items() if (one := _likeliest(word, options, ways))}
    strong = sum(cost < _STRONG for cost, _, _ in best.values())
    spoken = sum(way == "sound" for _, way, _ in best.values()) >= _FEWEST
    slang = sum(word in _SLANG and word not in best for word in all_words) / 2 if spoken else 0.0
    share = (slang + sum(word in best for word in all_words)) / max(1, len(all_words))
    unread = sum(word not in best and word not in known for word in all_words)
    if sum(word in _OF_OTHERS for word in all_words) >= max(_SO, _OTHER_SHARE * len(all_words)):
        return {}
    if strong < _FEWEST or len(best) < _SOLVED * len(odd) or unread > _UNREAD * len(all_words):
        return {}
    if len(all_words) < _SOME or share < (_SHARE if strong >= _SO else _LARGER_SHARE):
        return {}
    chosen = {word: meant for word, (_, _, meant) in best.items()}
    if share >= _LARGER_SHARE and strong >= _SO:
        forms = {word: readings(word) for word in unknown if word not in odd}
        found = {word: one for word, options in forms.items() if (one := _likeliest(word, options, ways))}
        chosen |= {word: meant for word, (_, _, meant) in found.items() if known.get(meant, _FREQUENT) < _FREQUENT}
    if sum(way in ("sound", "vowels") for _, way, _ in best.values()) >= _FEWEST:
        chosen |= {word: _SLANG[word] for word in {*words, *all_words} if word in _SLANG}
    return chosen


def _likeliest(word: str, options: tuple[Reading, ...], ways: Counter[str]) -> Reading | None:
    """By the ways in which the text is written; short words stand for frequent ones, in texts that are written so."""
    known, total = ranks(), sum(ways.values())
    if len(word) <= _SHORT:
        rarest = _FREQUENT * (len(word) - 1)
        options = tuple(one for one in options if ways[one[1]] >= _SO and known.get(one[2], 0) < rarest)
    return min(
        ((cost - 2.5 * math.log(ways[way] / total + 0.05), way, meant) for cost, way, meant in options), default=None
    )


def _common(match: re.Match[str]) -> bool:
    """No name: small letters, or the first word of a sentence, or capitals and no abbreviation."""
    word = match[0]
    if word.islower() or word.isdigit() or (word.isupper() and len(word) > _SHORT):
        return True
    before = match.string[max(0, match.start() - _SHORT) : match.start()].rstrip(" ")
    return before[-1:] in "\n.!?" if before else match.start() <= _SHORT


@functools.lru_cache(16_384)
def readings(word: str) -> tuple[Reading, ...]:
    """The cheapest word for each way in which `word`, in small letters, may be written; none for known words."""
    if word in ranks() or word in _STAY or len(set(word)) == 1:
        return ()
    if word in _SLANG:
        return ((0.0, "sound", _SLANG[word]),)
    best: dict[str, Reading] = {}
    ways = (_spoken,) if not word.isalpha() and "'" not in word else (_boned, _shuffled, _slipped, _keyed, _spoken)
    for cost, way, meant in itertools.chain.from_iterable(way(word) for way in ways):
        whole = cost + math.log(ranks()[meant] + 5)
        if meant != word and (way not in best or whole < best[way][0]):
            best[way] = (whole, way, meant)
    return tuple(best.values())


def _boned(word: str) -> Iterator[Reading]:
    """Vowels left out, some or all; doubled consonants written once."""
    bones = _bones(word)
    if len(bones) < 2:
        return
    bare = 0.0 if not _VOWELS.intersection(word[1:]) else 2.0
    for meant in index("bones").get(bones, ()):
        letters = iter(meant)
        if len(meant) > len(word) and all(c in letters for c in word):
            yield 1.0 + bare + (0.0 if meant[0] == word[0] else 2.0), "vowels", meant


def _shuffled(word: str) -> Iterator[Reading]:
    for meant in index("shuffle").get(_shuffle(word), ()):
        swapped = sum(a != b for a, b in zip(word, meant, strict=True)) == 2
        yield 1.5 if swapped else 2.0, "shuffled", meant


def _slipped(word: str) -> Iterator[Reading]:
    meant = intended(word)
    if meant is not None:
        yield 1.5, "slip", meant


def _keyed(word: str) -> Iterator[Reading]:
    """A neighbouring key instead, or beside; two instead in a long word."""
    known = ranks()
    for i, c in enumerate(word):
        around = _KEYS.get(c, "")
        for key in around:
            meant = word[:i] + key + word[i + 1 :]
            if meant in known and len(word) > 2:
                yield 3.0, "keys", meant
        if len(word) > _SHORT and any(beside in around for beside in (*word[max(0, i - 1) : i], *word[i + 1 : i + 2])):
            meant = word[:i] + word[i + 1 :]
            if meant in known:
                yield 2.5, "keys", meant
    if len(word) > 7:
        for meant in index("ends").get(ends(word), ()):
            wrong = [(a, b) for a, b in zip(word, meant, strict=True) if a != b]
            if len(wrong) == 2 and all(a in _KEYS.get(b, "") for a, b in wrong):
                yield 5.0, "keys", meant


def _spoken(word: str) -> Iterator[Reading]:
    """Written as it sounds, digits too."""
    said = "".join(_SPOKEN.get(c, c) for c in word)
    if len(word) > 1:
        letters = _letters(said)
        for meant in index("sound").get(_sound(said), ()):
            others = sum(0.6 if c in _VOWELS else 1.0 for c in letters.symmetric_difference(_letters(meant)))
            yield 1.5 + others + 0.5 * abs(len(said) - len(meant)), "sound", meant


def _letters(word: str) -> set[str]:
    """Those of one sound are one."""
    return set(word.replace("th", "d").replace("ph", "f").translate(_ALIKE))


def _bones(word: str) -> str:
    return "".join(c for c, _ in itertools.groupby(word.translate(_NO_VOWELS)))


def _shuffle(word: str) -> str:
    return word[0] + word[-1] + "".join(sorted(word[1:-1]))


def ends(word: str) -> str:
    return word[0] + str(len(word))


def tail(word: str) -> str:
    return (word[-1] if word[-1].isalpha() else "") + str(len(word))


def _sound(word: str) -> str:
    for spelt, sound in _SOUNDS:
        word = spelt.sub(sound, word)
    return word


_OF: Final = {"bones": _bones, "shuffle": _shuffle, "ends": ends, "tails": tail, "sound": _sound}


@functools.cache
def index(name: str) -> dict[str, list[str]]:
    """The known words by what `name` makes of them, most frequent first."""
    found: dict[str, list[str]] = defaultdict(list)
    for word in ranks():
        found[_OF[name](word)].append(word)
    return dict(found)
