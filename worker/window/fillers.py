"""Words between words that say nothing: `kill lol all xD of :) them @sam`, one word over and over, asides."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from worker.window.disguise import Found, Rewritten
from worker.window.encoded import TELLS
from worker.window.words import ranks, share_known

_TOKEN: Final = re.compile(r"\s*\S+")
_FACE: Final = re.compile(
    r"[:;=8xX]['’]?[-o^]?[()\[\]{}dDpPoO/\\|*3$]{1,3}|[()\[\]][-o^]?['’]?[:;=8]|\^[_.-]*\^|<3+|[xX][dD]+|[-oOuU]_+[-oOuU]"
)
_SAID: Final = (
    "lol lmao lmfao rofl haha hahaha hehe hihi jk xd omg um umm uh uhh uhm er erm hm hmm mhm ugh yay pls plz tbh imo "
    "imho lel kek heh meh duh"
)
INTERJECTIONS: Final = frozenset(_SAID.split())
_FEWEST: Final = 3  # fillers that make it the way a text is written,
_SHARE: Final = 0.2  # and so much of its words
_LEFT: Final = 3  # words without them
_AGAIN: Final = 4  # times that one word is said
_OFTEN: Final = 0.25  # of the words are that one
_ENGLISH: Final = 0.85  # of the letters are in known words: of another language every second word is unknown
_ASIDE: Final = re.compile(
    r"(?<!\s)\s*+(?:\(([^()\n]{2,32})\)|\[([^\[\]\n]{2,32})\](?![(\[])|\{([^{}\n]{2,32})\}|<([a-z' ]{2,32})>)"
    r"|(?<![\s*])\s*+(\*{1,2})([^*\s][^*\n]{0,30}[^*\s])\5(?!\*)"
    r"|(?<=[\w,])( ?)(—|–|--|//)\7([A-Za-z][^—–/\n-]{1,31})\7\8\7(?=\w)|(?<=[\w,]) - ([A-Za-z][^—–\n-]{1,31}) -(?= \w)"
)
_SAYING: Final = re.compile(r"[A-Za-z][a-z'’]*(?:[ ,-]{1,2}[a-z'’I]+){0,5}[.!?…]{0,3}")
_DONE: Final = "cough ahem sigh shrug laugh giggle wink nod sniff gasp gulp smile grin burp yawn blink ha oh ah eh"
_ACTS: Final = frozenset(_DONE.split())
# What templates leave open, and what copyists put in.
_OPEN: Final = (
    "name names redacted removed deleted user username person organization company product url link number date time "
    "email phone address city country location place title sic inaudible crosstalk laughter applause unclear censored"
)
_BLANKS: Final = frozenset(_OPEN.split())
_GO_ON: Final = 0.6  # of the asides are within a sentence
_EACH: Final = 6  # words left for each aside, no more
_SPOKEN: Final = 0.25  # of the words left are frequent ones: lists have few
_COMMON: Final = 150  # places by frequency
_JOINING: Final = ("and", "or", "but", "und", "y", "et")  # what stands between the members of a list
_FREQUENT: Final = 60  # places by frequency: `the` and `you` are said often by right


def filled(text: str) -> bool:
    """Whether words stand between the words; cheap, since it is asked of every text."""
    if text.count("(") >= _FEWEST or text.count("--") >= 2 * _FEWEST:
        return True
    if not text.isascii() and max(text.count("—"), text.count("–")) >= 2 * _FEWEST:
        return True
    words = text.lower().split()
    if len(words) < 2 * _FEWEST:
        return False
    different = len(set(words))
    if _seem(words) >= _FEWEST or said_often(words, different):
        return True
    return different < 0.8 * len(words) and not all(map(ranks().__contains__, words))


def said_often(words: list[str], different: int) -> bool:
    """Whether one of the words is said so often as a filler is; `different`: how many different ones there are."""
    if len(words) - different < _AGAIN - 1:
        return False
    return max(Counter(words).values()) >= max(_AGAIN, _OFTEN * len(words))


def _seem(words: list[str]) -> int:
    return sum(word in INTERJECTIONS or not word[0].isalnum() or word[:2] == "xd" for word in words)


def unfill(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that takes them out."""

    def step(found: Found) -> Found:
        found = _without_asides(rewritten, found)
        words = [_bare(word) for word in found.text.split()]
        said = _fillers(words)
        count = sum(word in said for word in words)
        if count < max(_FEWEST, _SHARE * len(words)) or len(words) - count < _LEFT:
            return found
        return rewritten(found, _TOKEN, lambda match: ("", ()) if _bare(match[0].strip()) in said else None)

    return step


def _fillers(words: list[str]) -> set[str]:
    """Those of the words that say nothing between the others."""
    known, counts = ranks(), Counter(words)
    again = {a for a, b in itertools.pairwise(words) if a == b}  # love love love is said, not strewn
    again |= TELLS.keys()  # a spelling alphabet's words are no fillers
    most = max(_AGAIN, _OFTEN * len(words))
    strewn = {word for word, n in counts.items() if n >= most and known.get(word, _FREQUENT) >= _FREQUENT} - again
    unknown = {
        word for word, n in counts.items() if n > 1 and len(word) > 1 and word.isalpha() and word not in known
    } - again
    plain = {word for word in counts if word in INTERJECTIONS or _FACE.fullmatch(word) or _is_name(word)}
    seldom = strewn | (unknown if len(unknown) > 1 else set())
    rest = " ".join(word for word in words if word not in seldom)
    return plain | (seldom if share_known(rest) >= _ENGLISH else set())


def _is_name(word: str) -> bool:
    return word[0] == "@" and word[1:].replace("_", "").isalnum() and len(word) > 2


def _bare(word: str) -> str:
    """In small letters, and without the marks that end a sentence."""
    lower = word.lower()
    return lower if not lower[0].isalnum() else lower.rstrip(".,!?;") or lower


def _without_asides(rewritten: Rewritten[Found], found: Found) -> Found:
    """(so to speak), *cough*, [banana], - haha -: out, where they interrupt a sentence of known words throughout."""
    all_of_them = list(_ASIDE.finditer(found.text))
    if len(all_of_them) < _FEWEST:
        return found
    again = Counter(_said(m) for m in all_of_them)
    asides = [m for m in all_of_them if _is_aside(m, again[_said(m)])]
    number, chosen = len(asides), {m.start() for m in asides}
    if number < _FEWEST or sum(map(_interrupts, asides)) < max(2, _GO_ON * number):
        return found
    left = _ASIDE.sub(lambda m: _left(m)[0] if m.start() in chosen else m[0], found.text).split()
    left = [_bare(word) for word in left]
    if not max(_LEFT, number) <= len(left) <= _EACH * number:
        return found
    spoken = sum(ranks().get(word, _COMMON) < _COMMON for word in left)
    if spoken < _SPOKEN * len(left) or share_known(" ".join(left)) < _ENGLISH:
        return found
    return rewritten(found, _ASIDE, lambda m: _left(m) if m.start() in chosen else None)


def _said(match: re.Match[str]) -> str:
    return next(group for group in match.group(1, 2, 3, 4, 6, 9, 10) if group).lower()


def _is_aside(match: re.Match[str], times: int) -> bool:
    """Whether it can be left out: no citation, name, number or letter, no emphasis, and none of the little words."""
    said = _said(match)
    first = (said.split() or [""])[0].rstrip(".,!?…")
    if said in _BLANKS or (match[4] and times > 1):
        return False
    if times >= _FEWEST or {first, first.removesuffix("s")} & (INTERJECTIONS | _ACTS):
        return True
    if not _SAYING.fullmatch(match[0].strip(" ,()[]{}<>*—–/-\n")) or "et al" in said:
        return False
    if match[5]:  # *looks around* is an act, *so good* is emphasis
        return " " in said and first[-1:] == "s" and ranks().get(first, _COMMON) >= _COMMON
    return " " in said or (not match[4] and len(said) > 2 and ranks().get(said, _COMMON) >= _COMMON)


def _interrupts(match: re.Match[str]) -> bool:
    """Whether the sentence goes on behind it; in a list a comma stands there, or `and`."""
    text, (a, b) = match.string, match.span()
    before, after = text[max(0, a - 1) : a], text[b : b + 9].lstrip()
    if not after[:1].isalnum():
        return before == after[:1] == ","
    if match[8] or match[10]:  # notes set off by dashes have ends of their own
        return ranks().get(_bare(f"x {text[max(0, a - 20) : a]}".split()[-1]), _COMMON) < _COMMON
    return (before.isalnum() or before == ",") and after.split()[0].lower() not in _JOINING


def _left(match: re.Match[str]) -> tuple[str, Sequence[int]]:
    """A space, where dashes took its place."""
    return (" ", (0,)) if match[8] else ("", ())
