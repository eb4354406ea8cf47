"""What the console reaches: the store, the policies and the queue, as the composition root hands them over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from worker.console.transcripts import Transcripts
from worker.core.decisions import Judgement
from worker.core.ports import ConceptCompiler, Policy
from worker.core.records import Draft, Position
from worker.decode.envelope import EventEnvelope
from worker.deliver.letters import Letter
from worker.store.reading import DecisionStore
from worker.store.writing import Remark


class Judges(Protocol):
    """`pipeline/desk.py`."""

    async def judge(self, events: Sequence[bytes], policy: Policy) -> list[Judgement]: ...


class Keeps(Protocol):
    """`store/following.py`: the store's one writer."""

    async def keep(self, values: Sequence[bytes], positions: None = None, remarks: Sequence[Remark] = ()) -> int: ...

    async def note(self, kind: str, said: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Ports of the console; what is None is not to be had here, and the page that needs it says so.

    store: decisions. folder: policies, where they come from a folder. candidate sees the models: concepts and judge.
    fetch: the event that a decision is about, while the input topic keeps it. send: appends to topics.
    transcripts: of the calls that this process hears.
    letters, redrive: the dead-letter topic as it stands; and some of its letters sent back, at 50 a second.
    """

    status: Callable[[], Mapping[str, Any]]
    ready: Callable[[], bool]
    store: DecisionStore | None = None
    keeper: Keeps | None = None
    folder: Path | None = None
    concepts: ConceptCompiler | None = None
    desk: Judges | None = None
    transcripts: Transcripts | None = None
    reviews: str | None = None  # the topic
    fetch: Callable[[Mapping[str, Any]], Awaitable[EventEnvelope]] | None = None  # raises NotToBeHad
    send: Callable[[Sequence[Draft]], Awaitable[Sequence[Position]]] | None = None
    letters: Callable[[], Awaitable[Sequence[Letter]]] | None = None
    redrive: Callable[[Sequence[Letter]], Awaitable[int]] | None = None
