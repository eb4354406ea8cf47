"""Everything that turns parts and texts into views, behind the one port that the pipeline knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from worker.core.events import AudioPart, Degradation, ImagePart
from worker.core.ports import Tokenizer
from worker.core.views import TextSource, View
from worker.window.media import audio_views, image_views
from worker.window.normalise import normalise
from worker.window.text import BUDGET_TOKENS, OVERLAP_TOKENS, joint_source, text_views


class ViewCutter:
    """
    Views for one text model.

    Args:
        tokenizer: the text model's; None when no text model runs, and then no text has a view.
        overlap_tokens: shared by neighbouring windows of a long text.
        budget_tokens: of all windows of one call together.
        audio_window_s: the longest stretch of sound that the speech model hears, in seconds.
    """

    def __init__(
        self,
        tokenizer: Tokenizer | None,
        *,
        overlap_tokens: int = OVERLAP_TOKENS,
        budget_tokens: int = BUDGET_TOKENS,
        audio_window_s: float = 30.0,
    ) -> None:
        self._tokenizer = tokenizer
        self._overlap, self._budget, self._audio_window_s = overlap_tokens, budget_tokens, audio_window_s

    def normalised(self, text: str) -> tuple[str, Callable[[int, int], tuple[int, int]]] | None:
        """The text as its reader sees it and the way back to its own characters; None when nothing changes."""
        found = normalise(text)
        return None if found is None else (found.text, found.span)

    def texts(self, sources: Sequence[TextSource]) -> tuple[list[View], list[Degradation]]:
        """Views of texts as written and normalised, and what did not fit the budget."""
        if self._tokenizer is None:
            return [], []
        pairs = [(source, normalise(source.text)) for source in sources]
        return text_views(pairs, self._tokenizer, overlap_tokens=self._overlap, budget_tokens=self._budget)

    def joint(self, sources: Sequence[TextSource]) -> TextSource | None:
        """All texts of an event as one; None when there are fewer than two."""
        return joint_source(sources)

    def image(self, part: ImagePart) -> list[View]:
        """One view a frame."""
        return image_views(part)

    def audio(self, part: AudioPart) -> list[View]:
        """One view a stretch of sound."""
        return audio_views(part, window_s=self._audio_window_s)
