"""The stage's face to the pipeline: parts and derived texts in, views out."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.events import AudioPart, Degradation, ImagePart
from worker.core.ports import Tokenizer
from worker.core.views import Hashes, TextSource, View
from worker.window.language import ForeignTexts
from worker.window.media import audio_views, image_views
from worker.window.normalise import normalise
from worker.window.pictures import picture_hashes
from worker.window.rewriting import Normalised
from worker.window.text import joint_source, text_views


class Views:
    """
    Makes views. Pure; runs in any thread.

    Args:
        tokenizer: the text model's; None when no text model runs, and then `texts` is never asked.
        languages: ISO 639-1 codes of those that the text model reads; none means that nobody asks.
    """

    def __init__(self, tokenizer: Tokenizer | None, languages: frozenset[str] = frozenset()) -> None:
        self._tokenizer = tokenizer
        self._foreign = ForeignTexts(languages) if languages else None

    def normalised(self, text: str) -> Normalised | None:
        """The normalised text and the way back to the original's characters; None when nothing changes."""
        return normalise(text)

    def foreign(self, text: str) -> str | None:
        """The code of the text's language when it is clearly none that the text model reads; else None."""
        return self._foreign.language(text) if self._foreign is not None else None

    def texts(self, sources: Sequence[tuple[TextSource, Normalised | None]]) -> tuple[list[View], list[Degradation]]:
        """Texts as written and normalised, in windows of the model's length."""
        assert self._tokenizer is not None, "a text view and no text model. This is a bug."
        return text_views(sources, self._tokenizer)

    def joint(self, sources: Sequence[TextSource]) -> TextSource | None:
        """All texts of an event as one; None with fewer than two that say anything."""
        return joint_source(sources)

    def image(self, part: ImagePart) -> list[View]:
        """One view a frame."""
        return image_views(part)

    def hashes(self, part: ImagePart) -> Hashes:
        """uint64 [F]: a perceptual hash of each frame."""
        return picture_hashes(part)

    def audio(self, part: AudioPart) -> list[View]:
        """One view a clip, or a window of a long one."""
        return audio_views(part)
