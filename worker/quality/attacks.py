"""
Ways people hide what they write, each a pure function of a text and a seeded die; any two compose.

The list follows the public ones (Mindgard's character injections, arXiv 2504.11168; leet and spelling functions as in
functional hate tests; encodings as in garak and promptfoo; dilution, Groendahl et al. 2018), written anew.
"""

from __future__ import annotations

import base64
import codecs
import random
import string
from collections.abc import Mapping
from types import MappingProxyType

from worker.quality.attack import Attack, Change, between, letter_by_letter, swap, table, word_by_word
from worker.quality.further_attacks import FURTHER, HARMLESS


def _styled(upper: int, lower: int) -> dict[int, str]:
    """A block of mathematical letters from its capital A and small a."""
    pairs = {ord(c): chr(upper + i) for i, c in enumerate(string.ascii_uppercase)}
    return pairs | {ord(c): chr(lower + i) for i, c in enumerate(string.ascii_lowercase)}


def _swapped(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word) - 2) if len(word) > 3 else 0
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dropped(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1 :]


def _doubled(word: str, dice: random.Random) -> str:
    at = dice.randrange(len(word))
    return word[: at + 1] + word[at:]


def _inserted(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word))
    return word[:at] + dice.choice(string.ascii_lowercase) + word[at:]


def _starred(word: str, dice: random.Random) -> str:
    vowels = [i for i, c in enumerate(word) if c.lower() in "aeiou" and i]
    at = dice.choice(vowels) if vowels else len(word) - 1
    return word[:at] + "*" + word[at + 1 :]


def _split(word: str, dice: random.Random) -> str:
    at = dice.randrange(2, len(word) - 1)
    return word[:at] + " " + word[at:]


def _drawn(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word))
    return word[:at] + word[at - 1] * dice.randint(2, 5) + word[at:]


def _pig_latin(word: str, dice: random.Random) -> str:
    at = next((i for i, c in enumerate(word) if c.lower() in "aeiou"), 0)
    return (word[at:] + word[:at] + "ay") if at else word + "yay"


def _spaced(text: str, dice: random.Random) -> str:
    return "  ".join(" ".join(word) for word in text.split())


def _upside_down(text: str, dice: random.Random) -> str:
    return text.lower().translate(table("abcdefghijklmnopqrstuvwxyz?!.,'", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz¿¡˙',"))[::-1]


def _bidi(text: str, dice: random.Random) -> str:
    """Stored backwards, shown forwards: right-to-left override."""
    return "\u202e" + text[::-1] + "\u202c"


def _tagged(text: str, dice: random.Random) -> str:
    """A harmless line in sight, the real one in tag characters, which language models read and people do not see."""
    return "hello there" + "".join(chr(0xE0000 + ord(c)) if " " <= c <= "~" else c for c in text)


def _smuggled(text: str, dice: random.Random) -> str:
    """The bytes as variation selectors behind an emoji."""
    raw = text.encode()
    return "\U0001f600" + "".join(chr(0xFE00 + b) if b < 16 else chr(0xE0100 + b - 16) for b in raw)


def _zalgo(text: str, dice: random.Random) -> str:
    marks = [chr(c) for c in range(0x0300, 0x0340)]
    return "".join(c + "".join(dice.choices(marks, k=dice.randint(1, 3))) if c.isalpha() else c for c in text)


def _deleted(text: str, dice: random.Random) -> str:
    """A wrong letter and the backspace that removes it."""
    return "".join(
        c + dice.choice(string.ascii_lowercase) + "\b" if c.isalpha() and dice.random() < 0.4 else c for c in text
    )


_EMOJI = ("😂", "🔥", "✨", "💯", "🙏", "🌸", "👀", "🎉", "😎", "🐸")


def _padding(before: int, after: int) -> Change:
    """The line within that many characters of harmless prose."""

    def prose(length: int, dice: random.Random) -> str:
        out = ""
        while len(out) < length:
            out += dice.choice(HARMLESS) + " "
        return out

    def change(text: str, dice: random.Random) -> str:
        return prose(before, dice) + text + " " + prose(after, dice) if after else prose(before, dice) + text

    return change


_MORSE = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_NATO = (
    "Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo "
    "Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu"
)
_SIGNED = dict(zip(string.ascii_lowercase + string.digits, _MORSE.split(), strict=True))
_TOLD = dict(zip(string.ascii_lowercase, _NATO.split(), strict=True))


_LEET = table("aeiostAEIOST", "431057431057")
_LEET_SIGNS = table("aeiostlAEIOST", "@3!0$7|@3!0$7")
_CYRILLIC = table("aceiopsxyABCEHKMOPTX", "асеіорѕхуАВСЕНКМОРТХ")
_GREEK = table("aeioukvABEHIKMNOPTXYZ", "αειουκνΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
_RARE = table("abcdefghijklmnoprtuvwyz", "ɑʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")
_CHEROKEE = table("ABCDEGHIJKLMPRSTVWYZhi", "ᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᎽᏃᏂᎥ")
_FULLWIDTH = {c: chr(c + 0xFEE0) for c in range(0x21, 0x7F)}
_CIRCLED = {ord(c): chr(0x24D0 + i) for i, c in enumerate(string.ascii_lowercase)}
_SQUARED = {ord(c): chr(0x1F170 + i) for i, c in enumerate(string.ascii_uppercase)}
_FLAGS = {ord(c): chr(0x1F1E6 + i) + "\u200b" for i, c in enumerate(string.ascii_lowercase)}
_ACCENTS = table("aeiouncyAEIOU", "áéíóúñçýÁÉÍÓÚ")

_ALL = (
    Attack("leet", "letters", swap(_LEET, 0.8)),
    Attack("leet_signs", "letters", swap(_LEET_SIGNS, 0.9)),
    Attack("cyrillic", "letters", swap(_CYRILLIC, 0.8)),
    Attack("greek", "letters", swap(_GREEK, 0.7)),
    Attack("rare_letters", "letters", swap(_RARE)),
    Attack("cherokee", "letters", lambda text, dice: text.upper().translate(_CHEROKEE)),
    Attack("full_width", "letters", swap(_FULLWIDTH)),
    Attack("bold_letters", "letters", swap(_styled(0x1D400, 0x1D41A))),
    Attack("script_letters", "letters", swap(_styled(0x1D4D0, 0x1D4EA))),
    Attack("circled", "letters", lambda text, dice: text.lower().translate(_CIRCLED)),
    Attack("squared", "letters", lambda text, dice: text.upper().translate(_SQUARED)),
    Attack("flags", "letters", lambda text, dice: text.lower().translate(_FLAGS)),
    Attack("accents", "letters", swap(_ACCENTS)),
    Attack("zalgo", "letters", _zalgo),
    Attack("underlined", "letters", between("\u0332")),
    Attack("upside_down", "letters", _upside_down),
    Attack("zero_width", "hidden", between("\u200b")),
    Attack("soft_hyphen", "hidden", between("\u00ad", 0.5)),
    Attack("bidi", "hidden", _bidi),
    Attack("variation_selectors", "hidden", between("\ufe0f")),
    Attack("tags", "hidden", _tagged),
    Attack("emoji_smuggling", "hidden", _smuggled),
    Attack("deletions", "hidden", _deleted),
    Attack("spaced", "spacing", _spaced),
    Attack("dotted", "spacing", between(".")),
    Attack("underscored", "spacing", between("_")),
    Attack("no_spaces", "spacing", lambda text, dice: text.replace(" ", "")),
    Attack("camel_case", "spacing", lambda text, dice: "".join(w[:1].upper() + w[1:] for w in text.split())),
    Attack("split_words", "spacing", word_by_word(_split, 0.6)),
    Attack("emoji_between", "spacing", lambda text, dice: f" {dice.choice(_EMOJI)} ".join(text.split())),
    Attack("slashed", "spacing", between("/")),
    Attack("one_a_line", "spacing", lambda text, dice: "\n".join("".join(text.split()))),
    Attack("commas", "spacing", lambda text, dice: ", ".join(text.split())),
    Attack("quoted", "spacing", lambda text, dice: f"“{text}”"),
    Attack("swapped_letters", "spelling", word_by_word(_swapped, 0.6)),
    Attack("dropped_letters", "spelling", word_by_word(_dropped, 0.6)),
    Attack("doubled_letters", "spelling", word_by_word(_doubled, 0.6)),
    Attack("inserted_letters", "spelling", word_by_word(_inserted, 0.6)),
    Attack("starred", "spelling", word_by_word(_starred, 0.7)),
    Attack("drawn_out", "spelling", word_by_word(_drawn, 0.7)),
    Attack("pig_latin", "spelling", word_by_word(_pig_latin)),
    Attack("base64", "encoded", lambda text, dice: base64.b64encode(text.encode()).decode()),
    Attack("hex", "encoded", lambda text, dice: text.encode().hex()),
    Attack("base32", "encoded", lambda text, dice: base64.b32encode(text.encode()).decode()),
    Attack("morse", "encoded", letter_by_letter(_SIGNED, " / ")),
    Attack("spelling_alphabet", "encoded", letter_by_letter(_TOLD, ", ")),
    Attack("html_codes", "encoded", lambda text, dice: "".join(f"&#{ord(c)};" for c in text)),
    Attack("percent_codes", "encoded", lambda text, dice: "".join(f"%{b:02X}" for b in text.encode())),
    Attack("words_reversed", "encoded", lambda text, dice: " ".join(word[::-1] for word in text.split())),
    Attack("rot13", "encoded", lambda text, dice: codecs.encode(text, "rot13")),
    Attack("reversed", "encoded", lambda text, dice: text[::-1]),
    Attack("padded_before", "padded", _padding(5000, 0)),
    Attack("padded_around", "padded", _padding(2500, 2500)),
    Attack("love", "padded", lambda text, dice: text + " love" * dice.randint(1, 4)),
    *FURTHER,
)
ATTACKS: Mapping[str, Attack] = MappingProxyType({attack.name: attack for attack in _ALL})
