"""
Disguises that a second attacker thought of, who had not read the first list: markup, codings, signs inside words,
spelling by ear, and harm beside a paragraph.
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Callable
from typing import Final

from worker.quality.attack import Attack, Change, swap, table, word_by_word

HARMLESS: Final = (
    "The morning was clear and the market opened as it always does, with bread, flowers and the noise of carts.",
    "We talked about the weather, the new bus line and the price of apples, and then walked home along the river.",
    "The library is open from nine to six, and on Thursdays there is a reading for children in the small hall.",
    "She planted beans in spring, tomatoes in May, and by August there was more than the family could eat.",
    "To change the battery, open the lid at the back, take out the old one and put in the new one with care.",
)
_EMOJI: Final = "😂🔥✨💯🙏🌸👀🎉😎🐸"
_KEYS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SOUNDS: Final = (
    ("ph", "f"),
    ("ck", "k"),
    ("wh", "w"),
    ("igh", "y"),
    ("ea", "ee"),
    ("ou", "ow"),
    ("er", "ur"),
    ("th", "d"),
)
_STREWN: Final = ("lol", "haha", "xD", ":)", "lmao", "um", ":D", "hehe")
_NAMES: Final = ("@sam", "@anna_k", "@mike22", "@everyone")
_HEAVY: Final = {
    ord(c): look
    for c, look in zip(
        "abdehiklmnostuvw",
        ["4", "|3", "|)", "3", "|-|", "!", "|<", "|_", "|\\/|", "|\\|", "0", "5", "7", "|_|", "\\/", "\\/\\/"],
        strict=True,
    )
}
_SYLLABICS: Final = table("abdhjlmnprsuvwz", "ᗩᗷᗪᕼᒍᒪᗰᑎᑭᖇᔕᑌᐯᗯᘔ")
_FAUX: Final = table("bdehiklmnorstuwyx", "бдєнїкlмпфяѕтцшчж")
_STROKES: Final = table("abcdefhiklmnoprstuwxy", "卂乃匚刀乇下卄工长乚从几口尸尺丂丅凵山乂丫")
_BRAILLE: Final = table(string.ascii_lowercase, "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵")


def _numbered(text: str, dice: random.Random) -> str:
    """k as 11; emoji stay, between the words."""
    words = re.sub(r"([^\x00-\x7f]+)", r" \1 ", text.lower()).split()
    numbers = ["-".join(str(ord(c) - 96) for c in word if "a" <= c <= "z") or word for word in words]
    return " / ".join(numbers)


def _letters(rule: Callable[[str, random.Random], str], *, gap: str = " ") -> Change:
    """`rule` on each letter, `gap` between words."""

    def change(text: str, dice: random.Random) -> str:
        return gap.join("".join(rule(c, dice) if c.isalnum() else c for c in word) for word in text.split())

    return change


def _inside(sign: Callable[[random.Random], str], share: float) -> Change:
    """A sign within words, by chance."""

    def change(word: str, dice: random.Random) -> str:
        at = dice.randrange(1, len(word))
        return word[:at] + sign(dice) + word[at:]

    return word_by_word(change, share)


def _piece(opened: str, closed: str) -> Change:
    """A piece of each longer word in markup."""

    def change(word: str, dice: random.Random) -> str:
        at = dice.randrange(1, len(word) - 1)
        return f"{opened}{word[:at]}{closed}{word[at:]}"

    return word_by_word(change)


def _mixed(text: str, dice: random.Random) -> str:
    return " ".join("".join(c + dice.choice("._-*~/·") for c in word)[:-1] for word in text.split())


def _shifted(text: str, dice: random.Random) -> str:
    """The border of each two words one letter further left."""
    letters = list(text)
    for at in range(1, len(letters) - 1):
        if letters[at] == " " and letters[at - 1].isalpha():
            letters[at - 1], letters[at] = letters[at], letters[at - 1]
    return "".join(letters)


def _shuffled(word: str, dice: random.Random) -> str:
    inner = list(word[1:-1])
    dice.shuffle(inner)
    return word[0] + "".join(inner) + word[-1]


def _next_key(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word))
    row = next((row for row in _KEYS if word[at].lower() in row), None)
    if row is None:
        return word
    place = row.index(word[at].lower())
    return word[:at] + row[place - 1 if place else 1] + word[at + 1 :]


def _by_sound(text: str, dice: random.Random) -> str:
    for spelt, sound in _SOUNDS:
        text = text.replace(spelt, sound)
    return text


def _added(text: str, dice: random.Random) -> str:
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    return "say(" + " + ".join(f'"{piece}"' for piece in pieces) + ")"


def _shift(text: str, dice: random.Random) -> str:
    by = dice.choice([n for n in range(1, 26) if n != 13])
    small = string.ascii_lowercase
    moved = small[by:] + small[:by]
    return text.translate(table(small + small.upper(), moved + moved.upper()))


def _strewn(words: tuple[str, ...]) -> Change:
    return lambda text, dice: " ".join(f"{word} {dice.choice(words)}" for word in text.split())


def _paragraph(dice: random.Random) -> str:
    return " ".join(dice.sample(HARMLESS, 4))


_ATBASH: Final = table(string.ascii_letters, string.ascii_lowercase[::-1] + string.ascii_uppercase[::-1])

FURTHER: Final = (
    Attack("leet_heavy", "letters", lambda text, dice: text.lower().translate(_HEAVY)),
    Attack("syllabics", "letters", lambda text, dice: text.lower().translate(_SYLLABICS)),
    Attack("faux_cyrillic", "letters", lambda text, dice: text.lower().translate(_FAUX)),
    Attack("strokes", "letters", lambda text, dice: text.lower().translate(_STROKES)),
    Attack("bracketed", "letters", _letters(lambda c, dice: f"({c})")),
    Attack("two_spaces", "spacing", lambda text, dice: "     ".join("  ".join(word) for word in text.split())),
    Attack("mixed_marks", "spacing", _mixed),
    Attack("sign_inside", "spacing", _inside(lambda dice: dice.choice("._-*'^~|"), 0.8)),
    Attack("emoji_inside", "spacing", _inside(lambda dice: dice.choice(_EMOJI), 0.8)),
    Attack("broken_lines", "spacing", _inside(lambda dice: "-\n", 0.8)),
    Attack("shifted_ends", "spacing", _shifted),
    Attack(
        "no_vowels",
        "spelling",
        word_by_word(lambda word, dice: word[0] + "".join(c for c in word[1:] if c not in "aeiou")),
    ),
    Attack("shuffled", "spelling", word_by_word(_shuffled)),
    Attack("next_key", "spelling", word_by_word(_next_key, 0.7)),
    Attack("by_sound", "spelling", _by_sound),
    Attack("html_tags", "markup", _piece("<b>", "</b>")),
    Attack("bold_pieces", "markup", _piece("**", "**")),
    Attack("spoilers", "markup", _letters(lambda c, dice: f"||{c}||")),
    Attack("links", "markup", word_by_word(lambda word, dice: f"[{word}](https://example.com/{dice.randrange(99)})")),
    Attack("json", "markup", lambda text, dice: '{"message": "' + text.replace('"', "'") + '"}'),
    Attack("code_comment", "markup", lambda text, dice: f"# {text}\npass"),
    Attack("strings_added", "markup", _added),
    Attack("escapes", "encoded", lambda text, dice: "".join(f"\\u{ord(c):04x}" for c in text)),
    Attack("binary", "encoded", lambda text, dice: " ".join(f"{b:08b}" for b in text.encode())),
    Attack("numbered", "encoded", _numbered),
    Attack("braille", "encoded", lambda text, dice: text.lower().translate(_BRAILLE)),
    Attack("caesar", "encoded", _shift),
    Attack("atbash", "encoded", swap(_ATBASH)),
    Attack(
        "base64_words",
        "encoded",
        lambda text, dice: " ".join(base64.b64encode(w.encode()).decode() for w in text.split()),
    ),
    Attack("base64_twice", "encoded", lambda text, dice: base64.b64encode(base64.b64encode(text.encode())).decode()),
    Attack("paragraph_before", "padded", lambda text, dice: f"{_paragraph(dice)} {text}"),
    Attack("paragraph_after", "padded", lambda text, dice: f"{text} {_paragraph(dice)}"),
    Attack("strewn_words", "padded", _strewn(_STREWN)),
    Attack("strewn_names", "padded", _strewn(_NAMES)),
)
