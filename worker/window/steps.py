"""The steps that undo disguises, in their order, each with the name of what it undoes; and which texts need them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from worker.window import (
    apart,
    censored,
    ciphers,
    encoded,
    fillers,
    hidden,
    joined,
    latex,
    looks,
    markup,
    misspelt,
    ornaments,
    pairs,
    program,
    respelt,
    shapes,
    shifted,
    signed,
    spelling,
    tags,
)
from worker.window.disguise import DRAWN_OUT, LEET_WORD, Kept, join_spaced, read_leet, shorten, suspicious
from worker.window.rewriting import Normalised, Step, apply, rewritten, when
from worker.window.words import odd_words

# Never seen: zero-width, bidi controls, tags, variation selectors, soft hyphen, fillers, and controls but \t\n\r.
_HIDDEN: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
)
# Joiners that a script or an emoji needs: between letters beyond Latin, Greek and Cyrillic, or inside an emoji.
_NEEDED: Final = re.compile(
    "(?<=[\u0600-\u109f])[\u200c\u200d](?=[\u0600-\u109f])|(?<=[\u2000-\U0001ffff])\u200d(?=[\u2190-\U0001ffff])"
    "|(?<=[\u00a9\u00ae\u2010-\u3299\U0001f000-\U0001ffff#*0-9])\ufe0f(?![\ufe00-\ufe0f\U000e0100-\U000e01ef])"
)
_HIDE: Final = re.compile(f"[{_HIDDEN}]+")
_ODD: Final = re.compile(f"[{_HIDDEN}{looks.FOLDED}{ornaments.MARKS}{looks.LOOKS}]")
_WRITTEN_SO: Final = 3  # words of one disguise that make it the way the text is written


def may_be_disguised(text: str) -> bool:
    """Whether a step of a group that has no question of its own might have something to do; cheap."""
    return (
        suspicious(text)
        or (not text.isascii() and _odd(text))
        or odd_words(text)
        or spelling.QUOTED.match(text) is not None
        or spelling.marked(text) is not None
        or misspelt.slips(text)
        or misspelt.pig_latin(text)
    )


def _odd(text: str) -> bool:
    """Whether a character is there that some rule knows, or emoji stand where letters or spaces do."""
    if _ODD.search(text) or hidden.FLAGS.search(text) or spelling.EMOJI_INSIDE.search(text):
        return True
    return len(spelling.EMOJI_GAP.findall(text)) >= _WRITTEN_SO or signed.in_signs(text) or ornaments.in_accents(text)


def _deleted(found: Normalised) -> Normalised:
    """Backspaces done, line by line."""
    if ("\x08" not in found.text and "\x7f" not in found.text) or ornaments.only_noise(found.text):
        return found
    return rewritten(found, hidden.DELETED, hidden.delete)


def _without_hidden(found: Normalised) -> Normalised:
    """Characters that are never seen taken out, but for joiners that a script or an emoji needs."""
    needed = {m.start() for m in _NEEDED.finditer(found.text)}
    needed.update(i for m in hidden.FLAG_OF_A_PART.finditer(found.text) for i in range(*m.span()))
    return rewritten(found, _HIDE, lambda m: _unhidden(m, needed))


def _unhidden(match: re.Match[str], needed: set[int]) -> Kept | None:
    kept = [i for i in range(len(match[0])) if match.start() + i in needed]
    return None if len(kept) == len(match[0]) else ("".join(match[0][i] for i in kept), kept)


def _leet(found: Normalised) -> Normalised:
    """Signs read as letters; in a text that is written so throughout, in its short words too."""
    plain = rewritten(found, spelling.LEET, spelling.read_signs)
    plain = rewritten(plain, LEET_WORD, read_leet)
    changed = sum(a != b for a, b in zip(found.text.split(), plain.text.split(), strict=False))
    return rewritten(plain, spelling.LEET_THROUGHOUT, spelling.read_signs_boldly) if changed >= _WRITTEN_SO else plain


def _without_emoji(found: Normalised) -> Normalised:
    """Emoji in at least half of the gaps between words are no decoration."""
    text = found.text
    gaps = len(spelling.EMOJI_GAP.findall(text))
    if gaps < _WRITTEN_SO or 2 * gaps < len(text.split()) // 2:
        return found
    return rewritten(found, spelling.EMOJI_GAP, lambda m: (" ", None))


Steps = tuple[tuple[str, Step], ...]


class Group(NamedTuple):
    """Steps by the name of what they undo. asked: whether a text needs them; None where `may_be_disguised` says it."""

    asked: Callable[[str], bool] | None
    steps: Steps


_APART: Final = (
    Group(ornaments.may_be_bracketed, (("spaced_out", apply(ornaments.BRACKETED, ornaments.unbracket)),)),
    Group(apart.may_be_apart, (("spaced_out", apply(apart.PASSAGE, apart.read_apart)),)),
    Group(
        joined.may_be_joined,
        (
            ("joined", apply(joined.LINES, joined.one_line)),
            ("joined", apply(joined.TAGS, joined.untag)),
            ("joined", apply(joined.TAG, joined.split_tag)),
            ("joined", apply(joined.JOINED_WORDS, joined.part_words)),
            ("run_together", apply(joined.LEET_RUN, joined.part_leet)),
        ),
    ),
)
_WRAPPED: Final = (
    Group(fillers.filled, (("filled", fillers.unfill(rewritten)),)),
    Group(
        program.may_be_code,
        (
            ("quoted", apply(tags.WHOLE, program.from_block)),
            ("code", apply(tags.WHOLE, program.from_strings)),
            ("code", apply(tags.WHOLE, program.from_program)),
            ("code", program.unescape(rewritten)),
        ),
    ),
    Group(
        markup.may_be_markup,
        (
            ("quoted", apply(tags.WHOLE, program.from_block)),
            ("markup", when(latex.may_be_latex, apply(tags.WHOLE, latex.untex))),
            ("markup", tags.untag(rewritten)),
            ("markup", apply(tags.LINK, tags.unlink)),
            ("markup", apply(tags.WHOLE, markup.unmark_lines)),
            ("markup", apply(tags.WHOLE, markup.untable)),
            ("markup", apply(tags.WHOLE, markup.unemphasise)),
            ("markup", apply(tags.WHOLE, markup.unwrap_words)),
            ("markup", markup.read_tokens(rewritten)),
        ),
    ),
)
_ENCODED: Final = Group(
    None,
    (
        ("encoded", apply(encoded.BASE64, encoded.from_base64)),
        ("encoded", apply(encoded.BASE32, encoded.from_base32)),
        ("encoded", apply(encoded.HEX, encoded.from_hex)),
        ("encoded", when(encoded.may_be_morse, apply(encoded.MORSE, encoded.from_morse))),
        ("encoded", when(encoded.may_be_told, apply(encoded.TOLD, encoded.from_told))),
        ("encoded", when(lambda text: "&#" in text, apply(encoded.ENTITIES, encoded.from_entities))),
        ("encoded", when(lambda text: text.count("%") > 2, apply(encoded.PERCENT, encoded.from_percent))),
    ),
)
_CIPHERS: Final = (
    Group(ciphers.may_be_numbers, (("encoded", apply(ciphers.NUMBERS, ciphers.from_numbers)),)),
    Group(
        ciphers.may_be_coded,
        (
            ("encoded", apply(ciphers.CODES, ciphers.from_codes)),
            ("encoded", apply(ciphers.BLOB, ciphers.from_blob)),
            ("encoded", apply(ciphers.BASE85, ciphers.from_base85)),
            ("encoded", ciphers.read_pieces(rewritten)),
        ),
    ),
    Group(
        ciphers.may_be_drawn,
        (
            ("encoded", apply(ciphers.BRAILLE, ciphers.from_braille)),
            ("encoded", apply(ciphers.MORSE, ciphers.from_drawn_morse)),
        ),
    ),
    Group(ciphers.may_be_addressed, (("encoded", apply(ciphers.ADDRESSED, ciphers.from_address)),)),
    Group(
        shifted.may_be_shifted,
        (
            ("encoded", apply(shifted.LINES, shifted.from_rails)),
            ("encoded", apply(shifted.TEXT, shifted.from_shift)),
            ("encoded", apply(shifted.LINE, shifted.from_shift)),
            ("encoded", apply(shifted.LINE, shifted.from_game)),
        ),
    ),
    Group(shifted.may_be_filled, (("encoded", shifted.without_fillers(rewritten)),)),
)
_SPELT: Final = (
    Group(pairs.may_be_paired, (("look_alikes", pairs.unpair(rewritten)),)),
    Group(shapes.may_be_shapes, (("leet", shapes.read_shapes(rewritten)),)),
    Group(censored.may_be_censored, (("starred", censored.uncensor(rewritten)),)),
    Group(shapes.may_be_drawn, (("drawn_out", shapes.undraw(rewritten)),)),
)
_DELETED: Final = Group(None, (("deletions", _deleted),))
_THEN: Final = (
    Group(
        None,
        (
            ("spaced_out", spelling.join_short(rewritten)),
            ("spaced_out", join_spaced(rewritten)),
            ("leet", _leet),
            ("drawn_out", apply(DRAWN_OUT, shorten)),
            ("starred", apply(spelling.STARRED, spelling.read_starred)),
            ("run_together", apply(spelling.RUN_TOGETHER, spelling.split_run)),
            ("run_together", apply(spelling.CAMEL, spelling.split_camel)),
            ("split", apply(spelling.SPLIT, spelling.join_halves)),
            ("marked", spelling.unmark(rewritten)),
            ("encoded", apply(encoded.LINE, encoded.from_line)),
            ("pig_latin", when(misspelt.pig_latin, apply(misspelt.PIG, misspelt.read_pig))),
        ),
    ),
    Group(respelt.may_be_respelt, (("misspelt", respelt.respell(rewritten)),)),
    Group(
        None,
        (
            ("misspelt", when(misspelt.slips, apply(misspelt.WORD, misspelt.mend))),
            ("quoted", apply(spelling.QUOTED, spelling.unquote)),
        ),
    ),
)
PLAIN: Final = (_DELETED, *_WRAPPED, *_CIPHERS, _ENCODED, *_SPELT, *_APART, *_THEN)
BEYOND_ASCII: Final = (
    Group(
        None,
        (
            ("hidden_text", apply(hidden.TAGS, hidden.read_tags)),
            ("hidden_text", apply(hidden.SELECTORS, hidden.read_selectors)),
            ("bidi", apply(hidden.OVERRIDDEN, hidden.read_overridden)),
            ("flags", apply(hidden.FLAGS, hidden.read_flags)),
            ("upside_down", apply(hidden.UPSIDE_DOWN, hidden.turn)),
            *_DELETED.steps,
            ("hidden_characters", _without_hidden),
            ("look_alikes", looks.look_alikes(rewritten)),
        ),
    ),
    Group(censored.may_be_blotted, (("starred", censored.uncensor(rewritten)),)),
    *_APART,
    Group(
        None,
        (
            ("emoji_between", apply(spelling.EMOJI_INSIDE, spelling.join_emoji)),
            ("emoji_between", _without_emoji),
        ),
    ),
    *_WRAPPED,
    *_CIPHERS,
    _ENCODED,
    *_SPELT,
    *_THEN,
)
