"""Whether a text is in a language that the text model does not read; unsure means that it does."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from worker.window.words import share_known

_NO_PROSE: Final = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+|`[^`]*`|\d+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_READ_FROM: Final = 0.45  # of the letters in known English words: from there on it is English, whatever else is in it
_FEWEST_WORDS: Final = 4
_FEWEST_LETTERS: Final = 20
_FEWEST_OTHER: Final = 5  # letters of another script: each says far more
_SURE: Final = 0.9
_SURE_WITHOUT: Final = 0.6  # where hardly a letter is in a known English word
_HARDLY: Final = 0.25
_BELIEVED: Final = 2_000  # characters that are looked at
_NOBODYS: Final = ("zxx", "la")  # no language at all, and filler text
_OTHER_SCRIPT: Final = "other"  # when no language is told apart


class ForeignTexts:
    """
    Knows the languages that a model reads. Pure but for a model that is loaded once; any thread.

    Args:
        read: ISO 639-1 codes of what the text model is good for, e.g. {"en"}.
    """

    def __init__(self, read: frozenset[str]) -> None:
        self._read = read

    def language(self, text: str) -> str | None:
        """
        The ISO 639-1 code of the text's language when that is not one of `read`, and clearly so; else None.

        Names, emoji, code and a few words are no language. A text that is mostly in another script than Latin is
        foreign to a model that reads Latin alone; its code is "other" when the identifier is not sure.
        """
        if text.isascii() and (len(text) < _FEWEST_LETTERS or self._is_english(text)):
            return None
        plain = _NO_PROSE.sub(" ", text[:_BELIEVED])
        words = _WORD.findall(plain)
        letters = sum(map(len, words))
        latin = sum(len(_LATIN.findall(word)) for word in words)
        if letters - latin >= _FEWEST_OTHER and letters > 2 * latin:
            if _is_fancy(words) or all(word[0].isupper() for word in words):
                return None
            found, sure = _identifier().classify(plain)
            return (None if found in self._read else found) if sure >= _SURE_WITHOUT else _OTHER_SCRIPT
        if latin < _FEWEST_LETTERS or len(words) < _FEWEST_WORDS or self._is_english(plain):
            return None
        if _is_code(plain, letters) or sum(word[0].isupper() for word in words) > 0.7 * len(words) < len(words):
            return None
        found, sure = _identifier().classify(plain.lower())
        enough = _SURE_WITHOUT if "en" in self._read and share_known(plain) < _HARDLY else _SURE
        return found if sure >= enough and found not in self._read and found not in _NOBODYS else None

    def _is_english(self, text: str) -> bool:
        return "en" in self._read and share_known(text) >= _READ_FROM


def _is_code(text: str, letters: int) -> bool:
    """Prose is letters and spaces, with a few marks."""
    marks = sum(not c.isalnum() and not c.isspace() and c not in ".,!?'’\"-…:;()¿¡" for c in text)
    return marks > 0.08 * len(text) or letters < 0.6 * len("".join(text.split()))


def _is_fancy(words: list[str]) -> bool:
    """Letters that only imitate Latin ones: the normaliser's work, and no script."""
    return all(unicodedata.normalize("NFKC", word).isascii() for word in words)


def load() -> None:
    """Load what tells languages apart before the first text needs it: up to a second. Any thread."""
    _identifier()


@functools.cache
def _identifier() -> LanguageIdentifier:
    """py3langid's naive Bayes over byte sequences, 97 languages; loading takes up to a second."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
