"""Words in another coding: base64, hex, ROT13, or the whole line backwards. Decoded only when words come out."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from typing import Final

from worker.window.disguise import Kept
from worker.window.words import reads_as_words, share_known

BASE64: Final = re.compile(
    r"(?<![\w+/=%&?#.-])(?:(?:[A-Za-z0-9+/_-]{4}){15,}\r?\n)*(?:[A-Za-z0-9+/_-]{4}){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?(?![\w+/=%-])"
)
HEX: Final = re.compile(r"(?<![\w/#-])(?:0x)?(?:[0-9a-fA-F]{2}[ :]?){6,}(?![\w-])")
LINE: Final = re.compile(r"[^\n]{8,}")
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


def from_line(match: re.Match[str]) -> Kept | None:
    """A line in ROT13 or backwards: only when it says nothing as it stands and words the other way."""
    line = match[0]
    if share_known(line) >= _PLAIN:
        return None
    if reads_as_words(turned := codecs.encode(line, "rot13")):
        return turned, range(len(line))
    if reads_as_words(line[::-1]):
        return line[::-1], range(len(line) - 1, -1, -1)
    return None


def _said(text: str) -> Kept | None:
    return (text, None) if reads_as_words(text) else None
