"""Words in numbers, base85, Braille, Morse drawn otherwise, base64 in pieces or round another coding, addresses."""

from __future__ import annotations

import base64
import codecs
import itertools
import re
import string
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import unquote_plus

from worker.window import encoded
from worker.window.disguise import LEET, Found, Kept, Rewritten
from worker.window.words import anywhere, ranks, reads_as_words, share_known, split

NUMBERS: Final = re.compile(r"(?<!\w)\d+(?:[ .,'’!?/|\n_:;()\[\]\"&-]{1,5}\d+){3,}(?!\w)|(?<!\w)\d{11,}(?!\w)")
CODES: Final = re.compile(r"(?<![\w\\])(?:(?:\\[xuU]?\{?|0[xbo]|U\+|=)[0-9A-Fa-f]{2,8}\}?[ ,;]{0,2}){4,}")
BLOB: Final = re.compile(
    r"(?<![^\s:;,\"'`(\[>])={0,6}[A-Za-z0-9+/_-]{4,}(?:\s{1,3}[A-Za-z0-9+/_-]+)*(?:\s?=){0,6}(?![\w+/=])"
)
PIECE: Final = re.compile(r"(?<![\w+/=@#-])[A-Za-z0-9+/]{2,}={0,6}(?![\w+/=])")
BASE85: Final = re.compile(r"<~[!-uz\s]{5,20000}~>|(?<!\S)(?!https?:)[!-~]{15,20000}(?!\S)")
_PICTURED: Final = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
BRAILLE: Final = re.compile("[\u2800-\u28ff](?:[^\n]*[\u2800-\u28ff])?")
_SIGN: Final = r"(?:[^\w\s,/|]|_){1,12}"
MORSE: Final = re.compile(rf"(?<!\S){_SIGN}(?:[ \t\n/|]{{1,5}}{_SIGN}){{3,}}(?!\S)")
ADDRESSED: Final = re.compile(
    r"(?<!\S)(?:https?://)?[\w.-]{1,99}\.[a-z]{2,9}/\S{0,300}?[=/?#]([^\s&#/?=]{6,})(?:[&#]\S{0,300})?(?!\S)"
)

_ASKED: Final = anywhere(
    r"[a-z][A-Z]|[A-Z][0-9][A-Za-z]|[A-Za-z]=(?:\W|$)|[A-Z2-7]{14}|[0-9a-f]{8}|[^\s]{28}"
    r"|(?:\\[xuU0-7]?|0[xbo]|U\+|=)[0-9A-Fa-f]{2}[^0-9A-Za-z]{0,2}[\\0U=]"
)
_CELLS: Final = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠂⠲⠦⠖⠄⠤⠀", string.ascii_lowercase + ",.?!'- ", strict=True))
_DRAWN: Final = str.maketrans("·•∙⋅․‧●○∘*。—–−―‐‑_‒▬ー➖", "." * 11 + "-" * 11)
_TYPED: Final = {ord("…"): "...", ord("—"): "--", ord("–"): "--"}  # what phones make of points and dashes in a row
_BOUNDARY: Final = re.compile(r"\s*[/|\n]\s*|\s{2,}")
_ALPHABET: Final = {str(n): c for n, c in enumerate(string.ascii_lowercase, 1)} | {"'": "'", "’": "'", "0": "0"}
_UNIT: Final = re.compile(r"(?:%[89a-fA-F][0-9a-fA-F])+|%[0-7][0-9a-fA-F]|.", re.DOTALL)
_NEEDLESS: Final = re.compile(r"%[46][1-9a-fA-F]|%[57][0-9aA]")
_CODES: Final = 4  # fewer say nothing for sure
_HALF: Final = 0.5  # of the letters in known words, where the signs themselves are a sign
_CLEAR: Final = 0.72
_SENTENCE: Final = 6  # groups of numbers that spell words by no chance


def may_be_numbers(text: str) -> bool:
    """Cheap: whether it has as many digits as a word in numbers."""
    return len(text) >= 7 and sum(map(text.count, "0123456789")) >= 6


def may_be_coded(text: str) -> bool:
    """Cheap: whether some word is written as base64, base32, base85 or hex are."""
    return _ASKED(text)


def may_be_drawn(text: str) -> bool:
    """Cheap: whether it has Braille cells, or points and dashes of another shape."""
    if text.isascii() and not any(sign in text for sign in ("_", "*", "./", "-/", ".|", "-|")):
        return False
    drawn = text.translate(_DRAWN)
    return drawn.count(".") + drawn.count("-") >= _CODES or BRAILLE.search(text) is not None


def may_be_addressed(text: str) -> bool:
    """Cheap: whether an address may hold words."""
    return ("%" in text or "+" in text) and ("=" in text or "/" in text)


def from_numbers(match: re.Match[str]) -> Kept | None:
    """Binary, octal, decimal, places in the alphabet; prices, dates and telephone numbers spell no words."""
    groups = _BOUNDARY.split(match[0])
    if len(groups) == 1 and re.search(r"\d[-._]\d", match[0]):
        groups = match[0].split()  # a mark between letters, a space between words
    words = [re.findall(r"\d+|['’]", group) for group in groups]
    codes = [code for word in words for code in word]
    bits = "".join(codes)
    if len(bits) >= 28 and not bits.strip("01"):
        whole = [codes, *(re.findall("." * n, bits) for n in (8, 7) if len(bits) % n == 0)]
        return _first(_characters(some, 2) for some in whole if all(6 <= len(code) <= 8 for code in some))
    if len(codes) == 1:
        return _first([_characters(re.findall(r"1[01]\d|12[0-6]|[3-9]\d|\d", match[0]), 10)])
    apart = [" ".join(_characters(word, 10) for word in words)]
    return _first((_characters(codes, 10), _characters(codes, 8), *apart)) or _from_places(words)


def from_codes(match: re.Match[str]) -> Kept | None:
    r"""\x6b\x69, 0x6b 0x69, \u006b, =6B=69, \153\151."""
    codes = re.findall(r"(?:\\[xuU]?\{?|0[xbo]|U\+|=)([0-9A-Fa-f]{2,8})", match[0])
    return _first(_characters(codes, base) for base in (16, 8, 2))


def from_blob(match: re.Match[str]) -> Kept | None:
    """Base64, base32 or hex in lines or groups that only together decode, or with another coding inside."""
    tokens = list(re.finditer(r"[^\s=]+", match[0]))
    coded = list(itertools.dropwhile(lambda token: token[0].isalpha() and token[0].lower() in ranks(), tokens))
    word = "".join(token[0] for token in coded)
    if len(word) < 8 or word.isdigit() or (len(tokens) > 1 and all(token[0].islower() for token in tokens)):
        return None
    turned = (word, word[::-1], codecs.encode(word, "rot13"))
    said = next((plain for one in turned for text in _unpacked(one) if (plain := _plain(text))), None)
    if said is None:
        return None
    if len(tokens) == 1:
        return said, None
    at, last = coded[0].start(), len(match[0]) - 1
    return match[0][:at] + said, [*range(at), *(at + i * (last - at) // (len(said) - 1) for i in range(len(said)))]


def from_base85(match: re.Match[str]) -> Kept | None:
    """<~Ascii85~>, with and without its marks, and that of RFC 1924."""
    word = "".join(match[0].removeprefix("<~").removesuffix("~>").split())
    decoders = () if word.isalnum() else (base64.a85decode, base64.b85decode)  # a fifth of what they read are signs
    return _first(_tried(word, decoders))


def from_braille(match: re.Match[str]) -> Kept | None:
    """Cells to letters; pictures made of cells are no words."""
    kept = [i for i, c in enumerate(match[0]) if c in _CELLS or not "\u2800" <= c <= "\u28ff"]
    said = "".join(_CELLS.get(match[0][i], match[0][i]) for i in kept)
    return (said, kept) if len(said) >= _CODES and share_known(said) >= _HALF else None


def from_drawn_morse(match: re.Match[str]) -> Kept | None:
    """Morse in other points and dashes, or with other gaps."""
    for table in ({}, _TYPED):
        drawn = match[0].translate(table).translate(_DRAWN)
        drawn = drawn if " " in drawn else re.sub(r"[/|]", " ", re.sub(r"//|\|\|", " / ", drawn))
        plain = encoded.MORSE.fullmatch(re.sub(r" */ */? *|\n+ *| {2,}", " / ", drawn.strip()))
        if plain and (said := encoded.from_morse(plain)) and share_known(said[0]) >= _HALF:
            return said
    return None


def from_address(match: re.Match[str]) -> Kept | None:
    """q=Some%62ody+should, read without the address; names and keys in an address are no words."""
    words, first = match[1], match.start(1) - match.start()
    if words.count("+") + words.count("%20") < 3 and not _NEEDLESS.search(words):
        return None
    units = [(first + unit.start(), unquote_plus(unit[0], errors="replace")) for unit in _UNIT.finditer(words)]
    said = "".join(text for _, text in units)
    return (said, [at for at, text in units for _ in text]) if said != words and reads_as_words(said) else None


def read_pieces(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that reads base64, base32 or hex word by word; short ones are words by chance, so beside longer ones."""

    def step(found: Found) -> Found:
        said = [(piece, *_piece(piece[0])) for piece in PIECE.finditer(found.text)]
        long = [(len(piece[0]) > 5 or "=" in piece[0]) and not piece[0].isdigit() for piece, _, _ in said]
        sure = [
            known and is_long and (len(text) > 1 or text > "\u2600")
            for (_, text, known), is_long in zip(said, long, strict=True)
        ]
        many = sum(sure) > 1
        kept = {
            piece.start(): text
            for i, (piece, text, known) in enumerate(said)
            if text and (sure[i] or many or (known and any(sure[max(0, i - 1) : i + 2])))
        }
        return rewritten(found, PIECE, lambda m: (kept[m.start()], None) if m.start() in kept else None)

    return step


def _piece(word: str) -> tuple[str, bool]:
    """What one word decodes to, and whether that is a known one; nothing when it is a word as it stands."""
    body = word.rstrip("=")
    if (body[1:].islower() or (body.isupper() and body == word)) and body.lower() in ranks():
        return "", False
    for said in _unpacked(body):
        core = said.strip(string.punctuation + " ").lower()
        if core in ranks() or reads_as_words(said) or _PICTURED.search(said):  # bytes are no emoji by chance
            return said, True
        if len(core) >= _CODES and core.isascii() and core.isalpha():
            return said, False
    return "", False


def _from_places(words: list[list[str]]) -> Kept | None:
    """11-9-12-12; most in words of three letters and more, or scores and dates would spell some."""
    if any(code.lstrip("0") not in _ALPHABET for word in words for code in word):
        return None
    said = " ".join("".join(_ALPHABET[code.lstrip("0")] for code in word) for word in words)
    if len(words) == 1:
        said = " ".join(said[a:b] for a, b, _ in split(said))
    longer = " ".join(word for word in said.split() if len(word) > 2)
    needed = _CLEAR if len(words) < _SENTENCE else _HALF
    return (said, None) if len(longer) >= _CODES and min(map(share_known, (said, longer))) >= needed else None


def _characters(codes: Iterable[str], base: int) -> str:
    try:
        return bytes(int(code, base) for code in codes).decode()
    except ValueError:
        return ""  # no such code, so it means what it says


def _unpacked(word: str) -> Iterator[str]:
    """Base64, base32 and hex, where the letters allow it."""
    return _tried(word, (_base64, lambda one: base64.b32decode(one + "=" * (-len(one) % 8)), bytes.fromhex))


def _base64(word: str) -> bytes:
    usual = word.replace("-", "+").replace("_", "/")
    said = base64.b64decode(usual + "=" * (-len(usual) % 4), validate=True)
    if base64.b64encode(said).decode().rstrip("=") != usual:
        raise ValueError("bits left over, as no encoder leaves them")
    return said


def _tried(word: str, decoders: Iterable[Callable[[str], bytes]]) -> Iterator[str]:
    for decode in decoders:
        try:
            yield decode(word).decode().replace("\0", "")
        except ValueError:
            continue  # another coding, or none


def _plain(text: str, deep: int = 2) -> str | None:
    """`text` where it is words, or what it is in one coding more."""
    if reads_as_words(text) or reads_as_words(text.translate(LEET)):
        return text
    if len(text) < 8 or not deep:
        return None
    inner = (text[::-1], codecs.encode(text, "rot13"), *_unpacked("".join(text.split()).rstrip("=")))
    return next((said for one in inner if (said := _plain(one, deep - 1))), None)


def _first(texts: Iterable[str]) -> Kept | None:
    return next(((said, None) for text in texts if len(text) >= _CODES and (said := _plain(text))), None)
