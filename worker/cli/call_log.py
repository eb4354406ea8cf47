"""What is known of a call while it goes on, speaker by speaker: for the live lines and the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from worker.cli.recording import Piece
from worker.pipeline.calls import Heard
from worker.window.transcript import Transcript, Word

LEVEL_S = 0.1  # of sound in one value of a speaker's levels
_ROUNDING = 1e-6


@dataclass(slots=True)
class Window:
    """A judged window: seconds of the call, scores by category, what passed its threshold, and where that was said."""

    t0: float
    t1: float
    scores: dict[str, float]
    passed: dict[str, str]
    places: list[tuple[float, float, str]] = field(default_factory=list)  # from, to, action


@dataclass(slots=True)
class SpeakerLog:
    """One speaker's. `levels`: the peak of each `LEVEL_S`, 0 to 1."""

    levels: list[float] = field(default_factory=list)
    transcript: Transcript = field(default_factory=Transcript)
    windows: list[Window] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    state: str = "allow"
    raised: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def words(self) -> list[Word]:
        """All that was heard."""
        return self.transcript.words(0.0, float("inf"))

    def action_at(self, word: Word) -> str:
        """The strictest action that rests on a place with the word in it."""
        places = [place for window in self.windows for place in window.places]
        actions = {action for start, end, action in places if start <= word.middle <= end}
        return "block" if "block" in actions else "flag" if "flag" in actions else "allow"


class CallLog:
    """Takes what goes in, what is heard and what is decided."""

    def __init__(self) -> None:
        self.speakers: dict[str, SpeakerLog] = {}
        self.decisions = 0

    def of(self, speaker: str | None) -> SpeakerLog:
        """The speaker's log, new when it is the first that is heard of them."""
        return self.speakers.setdefault(speaker or "speaker", SpeakerLog())

    @property
    def seconds(self) -> float:
        """How long the call is."""
        return max((one.seconds for one in self.speakers.values()), default=0.0)

    def sent(self, piece: Piece) -> None:
        """A chunk goes in."""
        one = self.of(piece.speaker)
        loud = np.abs(piece.samples.astype(np.float32)) / np.float32(32_768)
        places = ((piece.at_s + np.arange(len(loud)) / piece.rate) / LEVEL_S + _ROUNDING).astype(np.int64)
        one.levels += [0.0] * (int(places[-1]) + 1 - len(one.levels) if len(places) else 0)
        for place in np.unique(places).tolist():
            one.levels[place] = max(one.levels[place], float(loud[places == place].max()))
        one.seconds = max(one.seconds, piece.until_s)

    def heard(self, heard: Heard) -> None:
        """Something was said."""
        self.of(heard.speaker).transcript.read(heard.words, heard.since)

    def decided(self, decision: dict[str, Any]) -> None:
        """A chunk's decision."""
        self.decisions += 1
        call = decision.get("call")
        if not call:
            return
        one = self.of(call["speaker"])
        one.state, one.raised = call["state"], call["raised"]
        acting = [(*reason["evidence"]["t"], reason["action"]) for reason in decision["reasons"] if _has_time(reason)]
        for window in call["windows"]:
            one.windows.append(Window(window["t0"], window["t1"], decision["scores"], window["passed"], acting))
        for change in call["changed"]:
            self.of(change["speaker"]).changes.append(change)


def _has_time(reason: dict[str, Any]) -> bool:
    return "t" in (reason.get("evidence") or {})
