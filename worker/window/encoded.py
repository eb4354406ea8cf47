"""
Words in another coding: base64, base32, hex, Morse, the spelling alphabet, codes of HTML and of addresses, ROT13, or
backwards. Decoded only when words come out.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import string
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from worker.window.disguise import LEET, Kept
from worker.window.words import reads_as_words, says_something, share_known, split

BASE64: Final = re.compile(
    r"(?<![\w+/=%&?#.-])(?:(?:[A-Za-z0-9+/_-]{4}){15,}\r?\n)*(?:[A-Za-z0-9+/_-]{4}){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?(?![\w+/=%-])"
)
HEX: Final = re.compile(r"(?<![\w/#-])(?:0x)?(?:[0-9a-fA-F]{2}[ :]?){6,}(?![\w-])")
BASE32: Final = re.compile(r"(?<![\w+/=%&?#.-])(?:[A-Z2-7]{8}){2,}(?:[A-Z2-7]{2,7}={0,6})?(?![\w+/=%-])")
_SIGN: Final = r"(?:[.\-]{1,6}|[^\x00-\x7f\s]{1,20})"  # or an emoji, which nothing is made of
MORSE: Final = re.compile(rf"(?<!\S){_SIGN}(?:(?: {{1,3}}| ?[/|] ?|\n){_SIGN}){{5,3000}}(?!\S)")
ENTITIES: Final = re.compile(r"[^\n]+")
_ENTITY: Final = re.compile(r"&#(?:\d{2,6}|[xX][0-9a-fA-F]{2,5});")
PERCENT: Final = re.compile(r"(?<!\S)(?!\S*[/?&=])[^\s%]*(?:%[0-9a-fA-F]{2}[^\s%]*){3,}")
_TOLD: Final = (
    "alfa|alpha bravo charlie delta echo foxtrot golf hotel india juliett|juliet kilo lima mike november oscar papa "
    "quebec romeo sierra tango uniform victor whiskey|whisky x-ray|xray yankee zulu"
)  # ICAO Annex 10, with the usual other spellings
TELLS: Final = {
    word: c for c, some in zip(string.ascii_lowercase, _TOLD.split(), strict=True) for word in some.split("|")
}
_ONE: Final = "|".join(sorted(TELLS, key=len, reverse=True))
_XRAY: Final = re.compile("x-ray", re.IGNORECASE)
_TOLD_OR_EMOJI: Final = rf"(?:{_ONE}|[^\x00-\x7f\s]{{1,20}})"
TOLD: Final = re.compile(rf"(?<!\w){_TOLD_OR_EMOJI}(?:[ ,/|.\n-]{{1,3}}{_TOLD_OR_EMOJI}){{3,400}}(?!\w)", re.IGNORECASE)
_SIGNS: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. .----."
)  # ITU-R M.1677-1
_MORSE: Final = dict(zip(_SIGNS.split(), string.ascii_lowercase + string.digits + ".,?'", strict=True))
LINE: Final = re.compile(r"[^\n]{8,}")
_RUN: Final = re.compile(r"\s+|\S+")
_WORD_BY_WORD: Final = re.compile(
    r"^\S*[A-Z](?<=[^A-Z].)(?=\s)|\s[.!?]+[a-z]\S*$"
)  # first letter behind, full stop before
_PLAIN_WORD: Final = re.compile("[a-z]+")
_FEW: Final = 3
_POINTS: Final = 6
_WORD: Final = 4  # characters
_MOSTLY: Final = 0.7  # of the letters in known words: call signs are words by chance
_PLAIN: Final = 0.35  # of a line's letters in known words: from there on it is read as it stands


def from_base64(match: re.Match[str]) -> Kept | None:
    """Identifiers, keys and pictures decode to no words."""
    word = re.sub(r"\s", "", match[0]).rstrip("=").replace("-", "+").replace("_", "/")
    if word.isdigit() or (word.islower() and " " not in match[0] and word.isalpha() and share_known(word) > 0):
        return None
    try:
        said = base64.b64decode(word + "=" * (-len(word) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None  # no base64, so it means what it says
    return _said(said)


def from_hex(match: re.Match[str]) -> Kept | None:
    """Digests and addresses decode to no words."""
    try:
        said = bytes.fromhex(match[0].removeprefix("0x").replace(":", " ")).decode()
    except ValueError:
        return None  # no hex or no text, so it means what it says
    return _said(said)


def from_base32(match: re.Match[str]) -> Kept | None:
    """Identifiers and secrets decode to no words."""
    word = match[0].rstrip("=")
    try:
        said = base64.b32decode(word + "=" * (-len(word) % 8)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None  # no base32, so it means what it says
    return _said(said)


def may_be_morse(text: str) -> bool:
    """Cheap: whether it has as many points and dashes as a word in Morse."""
    return text.count(".") + text.count("-") >= _POINTS


def may_be_told(text: str) -> bool:
    """Cheap: whether it has words of the spelling alphabet."""
    return sum(word in TELLS for word in _PLAIN_WORD.findall(text.lower())) >= _FEW


def from_morse(match: re.Match[str]) -> Kept | None:
    """Rules and ellipses are no words."""
    words = [
        "".join(_MORSE.get(sign, "\x00" if sign.isascii() else sign) for sign in word.split())
        for word in re.split(r" ?[/|\n] ?| {2,}", match[0])
    ]
    said = _apart(words)
    return (said, None) if len(said) >= _WORD and says_something(said.ljust(8)) else None


def from_told(match: re.Match[str]) -> Kept | None:
    """Kilo India Lima Lima; a call sign is no word."""
    words = [
        "".join(TELLS.get(one.lower(), one) for one in re.split(r"[ -]", _XRAY.sub("xray", word)))
        for word in re.split(r"\s*[/|,.\n]\s*| {2,}| - ", match[0])
    ]
    said = _apart(words)
    enough = share_known(said) >= _MOSTLY or (len(words) > _FEW and says_something(said))
    return (said, None) if len(said) >= _WORD and enough else None


def from_entities(match: re.Match[str]) -> Kept | None:
    """&#107;&#105;&#108;&#108; as a browser shows it."""
    if len(_ENTITY.findall(match[0])) < _FEW:
        return None
    return _said(html.unescape(html.unescape(match[0])))  # &amp;#107; as well


def from_percent(match: re.Match[str]) -> Kept | None:
    """%6B%69%6C%6C and how%20to; what has the marks of an address is one."""
    return _said(unquote(match[0], errors="replace"))


def _apart(words: list[str]) -> str:
    """Words with spaces; letters that came without any are cut where words end."""
    if len(words) > 1:
        return " ".join(words)
    return " ".join(words[0][a:b] for a, b, _ in split(words[0]))


def from_line(match: re.Match[str]) -> Kept | None:
    """A line in ROT13, backwards, or word by word so: only when it says nothing as it stands, and words that way."""
    line = match[0]
    if share_known(line) >= _PLAIN:
        return None
    if _reads(turned := codecs.encode(line, "rot13")):
        return turned, range(len(line))
    if not _reads(line[::-1]):
        return None
    places: Sequence[int] = range(len(line) - 1, -1, -1)
    if _WORD_BY_WORD.search(line):  # the words stand in their order
        places = [i for run in _RUN.finditer(line) for i in _backwards(run)]
    return "".join(line[i] for i in places), places


def _backwards(run: re.Match[str]) -> range:
    return range(run.start(), run.end()) if run[0].isspace() else range(run.end() - 1, run.start() - 1, -1)


def _said(text: str) -> Kept | None:
    return (text, None) if _reads(text) else None


def _reads(text: str) -> bool:
    """Words, or words in leet."""
    return reads_as_words(text) or reads_as_words(text.translate(LEET))
