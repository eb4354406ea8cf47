"""Texts to views: as written and normalised, in windows of the model's length, within one budget for the event."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from worker.core.events import Degradation, PartType
from worker.core.ports import Tokenizer
from worker.core.views import Evidence, TextSource, View, ViewKind, widest
from worker.window.rewriting import Normalised

OVERLAP_TOKENS: Final = 32
BUDGET_TOKENS: Final = 32_768
CLOSELY_TOKENS: Final = 20  # a longer text is read sentence by sentence as well
SENTENCE_TOKENS: Final = (4, 40)  # fewest and most of a sentence by itself; a longer one is cut
_SENTENCE_OVERLAP: Final = 8
NEIGHBOURS: Final = 2  # on either side, that a sentence is compared with
_END = re.compile(r"[.!?]+[\"')\]]*(?:\s|$)|[\u3002\uff01\uff1f\u061f]|\n")
# A sentence without its mark, before a capital: "...i will find you The library is open". A name begins so too.
_END_OR_CAPITAL = re.compile(_END.pattern + r"|(?<=\S) (?=[A-Z][a-z]+ [a-z])")
_LINE = re.compile(r"\n")
_Place = tuple[int, int]  # [start, end) in tokens
_Span = Callable[[int, int], tuple[int, int]]


def text_views(
    sources: Sequence[tuple[TextSource, Normalised | None]],
    tokenizer: Tokenizer,
    *,
    overlap_tokens: int = OVERLAP_TOKENS,
    budget_tokens: int = BUDGET_TOKENS,
) -> tuple[list[View], list[Degradation]]:
    """
    The text views of an event: each source as written, then each normalised one, in even overlapping windows.

    A text of more than `CLOSELY_TOKENS`, or a window of a call, is read sentence by sentence as well (`View.excerpt`):
    ten words of harm do not show among a hundred.

    A text that says nothing as written, and something normalised, is read normalised alone (`Normalised.replaces`).
    Dropped are normalised texts whose tokens are those of the text as written, and windows with the tokens and types
    of one before. A text without tokens has no view. Evidence is in characters of the text as written.

    Args:
        sources: texts with their normalised form, None where that changes nothing.
        tokenizer: the text model's; asked once for all.
        overlap_tokens: shared by neighbouring windows, so that a phrase on a seam is read whole.
        budget_tokens: of all windows together; windows past it are left out, one degradation a source says so.
    """
    plain = [source for source, _ in sources]
    changed = [(i, normalised) for i, (_, normalised) in enumerate(sources) if normalised is not None]
    encoded = tokenizer.encode([s.text for s in plain] + [n.text for _, n in changed])
    if (
        len(plain) == 1
        and not changed
        and not _of_call(plain[0])
        and 0 < len(encoded[0][0]) <= min(tokenizer.window_tokens, CLOSELY_TOKENS, budget_tokens)
    ):
        source, ids = plain[0], encoded[0][0]
        whole = source.evidence(0, len(source.text))
        written = source.text
        view = View(source.path, ViewKind.TEXT, source.types, ids, len(ids), whole, text=written, window=source.window)
        return [view], []
    cutter = _Cutter(tokenizer.window_tokens, overlap_tokens, budget_tokens)
    for (source, normalised), (ids, offsets) in zip(sources, encoded, strict=False):
        if normalised is not None and normalised.replaces:
            continue
        cutter.add(source, source.path, source.text, ids, offsets, _same)
    for (i, normalised), (ids, offsets) in zip(changed, encoded[len(plain) :], strict=True):
        written = encoded[i][0]
        if normalised.replaces or len(ids) != len(written) or (ids != written).any():
            path = f"{plain[i].path}/normalised"
            cutter.add(
                plain[i], path, normalised.text, ids, offsets, normalised.span, "hidden_text" in normalised.undone
            )
    return cutter.views, cutter.degraded


def joint_source(sources: Sequence[TextSource]) -> TextSource | None:
    """All texts of an event as one, a line each, so that a sentence split between them is read whole; None for one."""
    spoken = [source for source in sources if source.text and not source.text.isspace()]
    if len(spoken) < 2:
        return None
    return TextSource("joint", "\n".join(source.text for source in spoken), widest(spoken))


def _of_call(source: TextSource) -> bool:
    """A window of a call: seconds of talk, of which one sentence may be all that matters."""
    return source.window is not None and source.types == (PartType.AUDIO,)


def windows(tokens: int, window: int, overlap: int) -> list[tuple[int, int]]:
    """
    [start, end) of the windows over `tokens` tokens: all of one size but for rounding, none longer than `window`,
    neighbours sharing at least `overlap` (at most half a window), every token in one.
    """
    if tokens <= window:
        return [(0, tokens)] if tokens else []
    overlap = min(overlap, window // 2)
    count = math.ceil((tokens - overlap) / (window - overlap))
    size = min(window, math.ceil((tokens + (count - 1) * overlap) / count))
    starts = (k * (tokens - size) // (count - 1) for k in range(count))
    return [(start, start + size) for start in starts]


def sentences(
    text: str, offsets: Any, window: int, end: re.Pattern[str] = _END, fewest: int = SENTENCE_TOKENS[0]
) -> list[_Place]:
    """[start, end) in tokens of each sentence, short ones joined to the next, long ones cut; every token is in one."""
    most = SENTENCE_TOKENS[1]
    ends = [found.end() for found in end.finditer(text)] + [len(text)]
    stops = np.searchsorted(offsets[:, 1], ends, side="right").tolist()
    places: list[_Place] = []
    start = 0
    for stop in [stop for stop in stops if stop < len(offsets)] + [len(offsets)]:
        if stop - start < fewest and stop < len(offsets):
            continue
        cut = windows(stop - start, min(most, window), _SENTENCE_OVERLAP)
        places += [(start + a, start + b) for a, b in cut]
        start = stop
    return places


def _excerpts(text: str, offsets: Any, window: int) -> dict[_Place, list[_Place]]:
    """The sentences of a long text, cut before capitals and not, each with two neighbours on either side."""
    found: dict[_Place, list[_Place]] = {}
    for end in (_END, _END_OR_CAPITAL):
        places = sentences(text, offsets, window, end)
        for at, place in enumerate(places):
            near = [*places[max(0, at - NEIGHBOURS) : at], *places[at + 1 : at + 1 + NEIGHBOURS]]
            found.setdefault(place, near)
    return found


class _Cutter:
    """Cuts token sequences into views until the event's budget is spent."""

    def __init__(self, window: int, overlap: int, budget: int) -> None:
        self._window, self._overlap, self._budget, self._left = window, overlap, budget, budget
        self._seen: set[tuple[tuple[int, ...], int | None, bytes]] = set()
        self._short: set[str] = set()
        self.views: list[View] = []
        self.degraded: list[Degradation] = []

    def add(
        self, source: TextSource, path: str, text: str, ids: Any, offsets: Any, span: _Span, lines: bool = False
    ) -> None:
        """
        Views of one token sequence. `span` maps its text's characters to the source's. lines: each line is read like a
        text as well, for what was hidden in a text is no part of it.
        """
        wide = windows(len(ids), self._window, self._overlap)
        close: dict[_Place, list[_Place]] = {}
        if len(ids) > min(CLOSELY_TOKENS, self._window):
            close = _excerpts(text, offsets, self._window)
        elif _of_call(source):
            close = {place: [] for place in sentences(text, offsets, self._window)}
        for excerpt, (start, end), beside in [
            *((False, place, []) for place in wide),
            *((False, place, []) for place in (sentences(text, offsets, self._window, _LINE, 1) if lines else [])),
            *((True, *found) for found in close.items()),
        ]:
            piece = ids[start:end]
            key = (tuple(source.types), source.window, piece.tobytes())
            if key in self._seen:
                continue
            if end - start > self._left:
                self._say(source.path)
                return
            self._seen.add(key)
            self._left -= end - start
            place = int(offsets[start][0]), int(offsets[end - 1][1])
            evidence: Evidence = source.evidence(*span(*place))
            self.views.append(
                View(
                    path,
                    ViewKind.TEXT,
                    source.types,
                    piece,
                    end - start,
                    evidence,
                    text=text[slice(*place)],
                    excerpt=excerpt,
                    beside=tuple(ids[slice(*near)] for near in beside),
                    window=source.window,
                )
            )

    def _say(self, path: str) -> None:
        if path in self._short:
            return
        self._short.add(path)
        reason = f"the event's texts pass the budget of {self._budget} tokens; what comes before is scored"
        self.degraded.append(Degradation("text_too_long", "too_long", path, reason))


def _same(start: int, end: int) -> tuple[int, int]:
    return start, end
