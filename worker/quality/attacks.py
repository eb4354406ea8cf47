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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Change = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to hide a text. `reads_as`: what a person still sees in it."""

    name: str
    family: str  # letters, hidden, spacing, spelling, encoded, padded
    change: Change

    def __call__(self, text: str, seed: int = 0) -> str:
        """The text, hidden. The same text and seed give the same answer."""
        return self.change(text, random.Random(f"{self.name}:{seed}:{text}"))


def compose(*attacks: Attack) -> Attack:
    """One after the other, the first one first."""

    def change(text: str, dice: random.Random) -> str:
        for attack in attacks:
            text = attack.change(text, dice)
        return text

    return Attack("+".join(attack.name for attack in attacks), "composed", change)


def _table(letters: str, looks: str) -> dict[int, str]:
    return {ord(letter): look for letter, look in zip(letters, looks, strict=True)}


def _swap(table: Mapping[int, str], share: float = 1.0) -> Change:
    """Each letter in the table replaced, by chance `share`."""

    def change(text: str, dice: random.Random) -> str:
        return "".join(table.get(ord(c), c) if dice.random() < share else c for c in text)

    return change


def _styled(upper: int, lower: int) -> dict[int, str]:
    """A block of mathematical letters from its capital A and small a."""
    pairs = {ord(c): chr(upper + i) for i, c in enumerate(string.ascii_uppercase)}
    return pairs | {ord(c): chr(lower + i) for i, c in enumerate(string.ascii_lowercase)}


def _between(mark: str, share: float = 1.0) -> Change:
    """`mark` after each letter that another letter follows."""

    def change(text: str, dice: random.Random) -> str:
        out = []
        for i, c in enumerate(text):
            out.append(c)
            if c.isalpha() and text[i + 1 : i + 2].isalpha() and dice.random() < share:
                out.append(mark)
        return "".join(out)

    return change


def _word_by_word(rule: Callable[[str, random.Random], str], share: float = 1.0) -> Change:
    """`rule` on words of four letters and more, by chance `share`."""

    def change(text: str, dice: random.Random) -> str:
        words = text.split(" ")
        return " ".join(rule(w, dice) if len(w) > 3 and w.isalpha() and dice.random() < share else w for w in words)

    return change


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
    return text.lower().translate(_table("abcdefghijklmnopqrstuvwxyz?!.,'", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz¿¡˙',"))[::-1]


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
_HARMLESS = (
    "The morning was clear and the market opened as it always does, with bread, flowers and the noise of carts.",
    "We talked about the weather, the new bus line and the price of apples, and then walked home along the river.",
    "The library is open from nine to six, and on Thursdays there is a reading for children in the small hall.",
    "She planted beans in spring, tomatoes in May, and by August there was more than the family could eat.",
    "To change the battery, open the lid at the back, take out the old one and put in the new one with care.",
)


def _padding(before: int, after: int) -> Change:
    """The line within that many characters of harmless prose."""

    def prose(length: int, dice: random.Random) -> str:
        out = ""
        while len(out) < length:
            out += dice.choice(_HARMLESS) + " "
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


def _letter_by_letter(signs: Mapping[str, str], between: str) -> Change:
    """A sign for each letter; marks are left out, emoji stay."""

    def change(text: str, dice: random.Random) -> str:
        words = (
            " ".join(signs.get(c, c) for c in word if c in signs or not c.isascii()) for word in text.lower().split()
        )
        return between.join(word for word in words if word)

    return change


_LEET = _table("aeiostAEIOST", "431057431057")
_LEET_SIGNS = _table("aeiostlAEIOST", "@3!0$7|@3!0$7")
_CYRILLIC = _table("aceiopsxyABCEHKMOPTX", "асеіорѕхуАВСЕНКМОРТХ")
_GREEK = _table("aeioukvABEHIKMNOPTXYZ", "αειουκνΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
_RARE = _table("abcdefghijklmnoprtuvwyz", "ɑʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")
_CHEROKEE = _table("ABCDEGHIJKLMPRSTVWYZhi", "ᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᎽᏃᏂᎥ")
_FULLWIDTH = {c: chr(c + 0xFEE0) for c in range(0x21, 0x7F)}
_CIRCLED = {ord(c): chr(0x24D0 + i) for i, c in enumerate(string.ascii_lowercase)}
_SQUARED = {ord(c): chr(0x1F170 + i) for i, c in enumerate(string.ascii_uppercase)}
_FLAGS = {ord(c): chr(0x1F1E6 + i) + "\u200b" for i, c in enumerate(string.ascii_lowercase)}
_ACCENTS = _table("aeiouncyAEIOU", "áéíóúñçýÁÉÍÓÚ")

_ALL = (
    Attack("leet", "letters", _swap(_LEET, 0.8)),
    Attack("leet_signs", "letters", _swap(_LEET_SIGNS, 0.9)),
    Attack("cyrillic", "letters", _swap(_CYRILLIC, 0.8)),
    Attack("greek", "letters", _swap(_GREEK, 0.7)),
    Attack("rare_letters", "letters", _swap(_RARE)),
    Attack("cherokee", "letters", lambda text, dice: text.upper().translate(_CHEROKEE)),
    Attack("full_width", "letters", _swap(_FULLWIDTH)),
    Attack("bold_letters", "letters", _swap(_styled(0x1D400, 0x1D41A))),
    Attack("script_letters", "letters", _swap(_styled(0x1D4D0, 0x1D4EA))),
    Attack("circled", "letters", lambda text, dice: text.lower().translate(_CIRCLED)),
    Attack("squared", "letters", lambda text, dice: text.upper().translate(_SQUARED)),
    Attack("flags", "letters", lambda text, dice: text.lower().translate(_FLAGS)),
    Attack("accents", "letters", _swap(_ACCENTS)),
    Attack("zalgo", "letters", _zalgo),
    Attack("underlined", "letters", _between("\u0332")),
    Attack("upside_down", "letters", _upside_down),
    Attack("zero_width", "hidden", _between("\u200b")),
    Attack("soft_hyphen", "hidden", _between("\u00ad", 0.5)),
    Attack("bidi", "hidden", _bidi),
    Attack("variation_selectors", "hidden", _between("\ufe0f")),
    Attack("tags", "hidden", _tagged),
    Attack("emoji_smuggling", "hidden", _smuggled),
    Attack("deletions", "hidden", _deleted),
    Attack("spaced", "spacing", _spaced),
    Attack("dotted", "spacing", _between(".")),
    Attack("underscored", "spacing", _between("_")),
    Attack("no_spaces", "spacing", lambda text, dice: text.replace(" ", "")),
    Attack("camel_case", "spacing", lambda text, dice: "".join(w[:1].upper() + w[1:] for w in text.split())),
    Attack("split_words", "spacing", _word_by_word(_split, 0.6)),
    Attack("emoji_between", "spacing", lambda text, dice: f" {dice.choice(_EMOJI)} ".join(text.split())),
    Attack("slashed", "spacing", _between("/")),
    Attack("one_a_line", "spacing", lambda text, dice: "\n".join("".join(text.split()))),
    Attack("commas", "spacing", lambda text, dice: ", ".join(text.split())),
    Attack("quoted", "spacing", lambda text, dice: f"“{text}”"),
    Attack("swapped_letters", "spelling", _word_by_word(_swapped, 0.6)),
    Attack("dropped_letters", "spelling", _word_by_word(_dropped, 0.6)),
    Attack("doubled_letters", "spelling", _word_by_word(_doubled, 0.6)),
    Attack("inserted_letters", "spelling", _word_by_word(_inserted, 0.6)),
    Attack("starred", "spelling", _word_by_word(_starred, 0.7)),
    Attack("drawn_out", "spelling", _word_by_word(_drawn, 0.7)),
    Attack("pig_latin", "spelling", _word_by_word(_pig_latin)),
    Attack("base64", "encoded", lambda text, dice: base64.b64encode(text.encode()).decode()),
    Attack("hex", "encoded", lambda text, dice: text.encode().hex()),
    Attack("base32", "encoded", lambda text, dice: base64.b32encode(text.encode()).decode()),
    Attack("morse", "encoded", _letter_by_letter(_SIGNED, " / ")),
    Attack("spelling_alphabet", "encoded", _letter_by_letter(_TOLD, ", ")),
    Attack("html_codes", "encoded", lambda text, dice: "".join(f"&#{ord(c)};" for c in text)),
    Attack("percent_codes", "encoded", lambda text, dice: "".join(f"%{b:02X}" for b in text.encode())),
    Attack("words_reversed", "encoded", lambda text, dice: " ".join(word[::-1] for word in text.split())),
    Attack("rot13", "encoded", lambda text, dice: codecs.encode(text, "rot13")),
    Attack("reversed", "encoded", lambda text, dice: text[::-1]),
    Attack("padded_before", "padded", _padding(5000, 0)),
    Attack("padded_around", "padded", _padding(2500, 2500)),
    Attack("love", "padded", lambda text, dice: text + " love" * dice.randint(1, 4)),
)
ATTACKS: Mapping[str, Attack] = MappingProxyType({attack.name: attack for attack in _ALL})
