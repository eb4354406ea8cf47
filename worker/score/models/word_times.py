"""When each word was said: Whisper's attention aligned with what it heard, as openai/whisper's `timing.py` does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from faster_whisper.tokenizer import Tokenizer

_STEPS_A_SECOND = 50  # of the encoder
_CROWD = 3  # so many words at the end,
_LEAST_S = 0.05  # in less than this for each, were never said


class SpokenWord(NamedTuple):
    """A word with its punctuation, and when it is said: seconds from the utterance's beginning."""

    text: str
    start: float
    end: float


def word_times(
    whisper: Any, tokenizer: Tokenizer, heard: Any, tokens: Sequence[Sequence[int]], frames: Sequence[int]
) -> list[tuple[SpokenWord, ...]]:
    """
    The words of a batch.

    Args:
        whisper: ctranslate2's model.
        heard: what its encoder made of the batch.
        tokens: of each utterance, as decoded, timestamps among them.
        frames: how many of the utterance's spectrum are no padding.
    """
    texts = [[token for token in some if token < tokenizer.eot] for some in tokens]
    dummy = tokenizer.encode(" .")  # the aligner takes no empty text
    found = whisper.align(heard, tokenizer.sot_sequence, [text or dummy for text in texts], list(frames))
    return [_words(tokenizer, text, one.alignments) if text else () for text, one in zip(texts, found, strict=True)]


def _words(tokenizer: Tokenizer, text: list[int], alignment: Sequence[tuple[int, int]]) -> tuple[SpokenWord, ...]:
    pieces, tokens = tokenizer.split_to_word_tokens([*text, tokenizer.eot])
    pairs = np.asarray(alignment)
    begins = pairs[np.diff(pairs[:, 0], prepend=-1) > 0]  # the first step of each token
    seconds = np.zeros(len(text) + 1)
    seconds[begins[:, 0]] = begins[:, 1] / _STEPS_A_SECOND
    bounds = np.cumsum([0, *map(len, tokens[:-1])])
    words: list[SpokenWord] = []
    for piece, first, last in zip(pieces, bounds[:-1], bounds[1:], strict=False):
        start, end = float(seconds[first]), float(seconds[last])
        if words and not piece.startswith(" "):  # punctuation, or a word that is split by it
            words[-1] = SpokenWord(words[-1].text + piece, words[-1].start, end if piece.isalnum() else words[-1].end)
        elif piece.strip():
            words.append(SpokenWord(piece.strip(), start, end))
    return _believable(words)


def _believable(words: list[SpokenWord]) -> tuple[SpokenWord, ...]:
    """Without the words at the end that have no time: what Whisper says on when there is no more to hear."""
    for place, word in enumerate(words):
        rest = words[place:]
        if len(rest) >= _CROWD and rest[-1].start - word.start < _LEAST_S * len(rest):
            return tuple(words[:place])
    return tuple(words)
