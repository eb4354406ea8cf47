"""Texts that are there and not seen, or seen another way round: tags, backspaces, bidi, upside down, flags."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from worker.window.disguise import Kept
from worker.window.words import says_something

# Three and more of one kind: a lone one chooses a glyph, and a flag of a part of a country holds tags by right.
TAGS: Final = re.compile("(?<![\U0001f3f4\U000e0000-\U000e007f])[\U000e0000-\U000e007f]{3,}")
FLAG_OF_A_PART: Final = re.compile("(?<=\U0001f3f4)[\U000e0030-\U000e007a]{2,6}\U000e007f")
SELECTORS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
OVERRIDDEN: Final = re.compile("\u202e([^\u202a-\u202e\n]+)(?:\u202c|$|(?=[\u202a-\u202e\n]))")
DELETED: Final = re.compile(r"[^\n]+")
_UNSEEN: Final = "\u200b-\u200f\u2060-\u2064\ufeff"
FLAGS: Final = re.compile(f"[\U0001f1e6-\U0001f1ff](?:[{_UNSEEN}]*[\U0001f1e6-\U0001f1ff])*[{_UNSEEN}]*")
_INDICATORS: Final = re.compile("[\U0001f1e6-\U0001f1ff]")
_COUNTRIES: Final = (
    "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CP CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ EA EC EE EG EH ER ES ET EU FI FJ "
    "FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR "
    "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM "
    "MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT "
    "PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL "
    "TM TN TO TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
_KNOWN_FLAGS: Final = frozenset(_COUNTRIES.split())

_TURNED: Final = dict(
    zip("ɐqɔpǝɟƃɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz¿¡˙'∀ƎℲ⅁ʅſ˥WԀ┴∩Λ⅄", "abcdefghiijklmnopqrstuvwxyz?!.'AEFGlJLMPTUVY", strict=True)
)
_ONLY_TURNED: Final = "ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ∀ƎℲ⅁┴⅄"
_NOT_PHONETIC: Final = frozenset("ǝƃᴉʞʇ∀ƎℲ⅁┴⅄")  # sounds are written with the others
_LETTERS: Final = "".join(re.escape(c) for c in _TURNED)
UPSIDE_DOWN: Final = re.compile(  # bounded, so that no text takes long
    f'(?<![^\\W_])[{_LETTERS}]{{1,30}}(?:[ ,;:"0-9-]{{1,3}}[{_LETTERS}]{{1,30}}){{0,400}}(?![^\\W_])'
)


def read_tags(match: re.Match[str]) -> Kept | None:
    """What is written in tag characters, as a line of its own; nothing when it says nothing."""
    said = "".join(chr(ord(c) - 0xE0000) for c in match[0] if " " <= chr(ord(c) - 0xE0000) <= "~")
    return (f"\n{said}\n", None) if says_something(said) else ("", ())


def read_selectors(match: re.Match[str]) -> Kept | None:
    """The bytes carried by variation selectors, when they are words, as a line of its own."""
    raw = bytes(ord(c) - 0xFE00 if c <= "\ufe0f" else ord(c) - 0xE0100 + 16 for c in match[0])
    said = raw.decode("utf-8", "replace").strip()
    return (f"\n{said}\n", None) if says_something(said) else ("", ())


def read_overridden(match: re.Match[str]) -> Kept | None:
    """What stands between an override and its end, as it is shown: backwards, but for letters that run so by nature."""
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in match[1]):
        return match[1], range(1, 1 + len(match[1]))
    return match[1][::-1], range(len(match[1]), 0, -1)


def delete(match: re.Match[str]) -> Kept | None:
    """Each backspace takes the character before it."""
    if "\x08" not in match[0] and "\x7f" not in match[0]:
        return None
    kept: list[int] = []
    for i, c in enumerate(match[0]):
        if c not in "\x08\x7f":
            kept.append(i)
        elif kept:
            kept.pop()
    return "".join(match[0][i] for i in kept), kept


def read_flags(match: re.Match[str]) -> Kept | None:
    """Letters written as flags; flags of countries stay."""
    places = [found.start() for found in _INDICATORS.finditer(match[0])]
    letters = [chr(ord(match[0][i]) - 0x1F1E6 + ord("a")) for i in places]
    word = "".join(letters)
    bare = match[0].rstrip("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
    pairs = {word[i : i + 2].upper() for i in range(0, len(word), 2)}
    if len(bare) == len(places) and pairs <= _KNOWN_FLAGS:
        return None
    return word, places


def turn(match: re.Match[str]) -> Kept | None:
    """uoʎ to you: letters turned over, and their order."""
    text = match[0]
    turned = sum(c in _ONLY_TURNED for c in text)
    letters = sum(c in _TURNED for c in text)
    if turned < 2 or turned * 5 < letters or not _NOT_PHONETIC.intersection(text):
        return None
    return "".join(_TURNED.get(c, c) for c in reversed(text)), range(len(text) - 1, -1, -1)
