"""Streams: what events of a call or conversation are read together with, and what its state does to their decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from worker.core.decisions import Action, Findings, Verdict
from worker.core.events import Event, PartType
from worker.core.ports import DecideEach, Envelope, Policy
from worker.core.records import Partition, Position
from worker.core.streams import ClosedWindow, StreamKey, Together, Told
from worker.pipeline.flow import Slot
from worker.score.assessment import Assessment
from worker.stream.book import StreamBook
from worker.stream.call import Answer, Heard, TrackKey
from worker.stream.track import Passing, passing
from worker.window.conversation import Conversations
from worker.window.trail import CallTrails, Trail

_SOUND_HOPS = 2  # beyond a window: the one that is cut where it begins, and what was read into the next
_EVERY_MS = 10_000  # of the queue's stamps: how often expired streams of a partition are looked for
_AUDIO = PartType.AUDIO.label


class WayBack(NamedTuple):
    """Offsets that what came before is read again from."""

    said: int
    heard: int


class _Closed(NamedTuple):
    """A window on its way to the state."""

    place: int  # of its event in the batch
    window: ClosedWindow
    verdict: Verdict


Judged = tuple[Slot, Assessment]


class Streams:
    """
    Used on the loop's thread. Events are noted in the queue's order, and decided in the order of their stream: so both
    the messages read together and the state are the same whoever works, and however often it died before.
    """

    def __init__(self, book: StreamBook, conversations: Conversations, decide_each: DecideEach) -> None:
        self.book = book
        self._conversations = conversations
        self._decide_each = decide_each
        self._looked: dict[Partition, int] = {}
        self._said, self._heard = Trail(), CallTrails()  # the ways back of messages and of sound

    def note(self, position: Position, stamp_ms: int, envelope: Envelope, policy: Policy) -> Together | None:
        """What is read together with an event; None for one that is in no conversation, or the first in it."""
        stream = envelope.stream
        if stream is None:
            return None
        rules = policy.calls
        if envelope.of_call:
            line = (envelope.tenant, stream.id, stream.speaker)
            at_ms = stamp_ms if stream.offset_ms is None else stream.offset_ms
            seconds = rules.window_s + _SOUND_HOPS * rules.hop_s + rules.lateness_s
            spans = {"horizon_ms": int(seconds * 1000), "expire_ms": int(rules.expire_s * 1000)}
            self._heard.mark(position, line, at_ms, stamp_ms, **spans)
            return None
        if rules.messages or rules.exchange:
            self._said.mark(position, stamp_ms, int(rules.messages_s * 1000))
        key = (envelope.tenant, stream.id)
        return self._conversations.note(position, key, stamp_ms, envelope.speaker, envelope.said, rules)

    def told(self, judged: Sequence[Judged], verdicts: Sequence[Verdict]) -> dict[int, Told]:
        """By place in the batch, what the state of an event's stream does; folds the event's windows into it."""
        members = [place for place, (_, one) in enumerate(judged) if one.event.stream is not None]
        if not members:
            return {}
        closed = self._closed(judged, members)
        heard: dict[int, list[Heard]] = {place: [] for place in members}
        lenient = self._lenient(judged, verdicts, closed)
        for number, one in enumerate(closed):
            heard[one.place].append(_heard(one.window, passing(one.verdict, lenient.get(("w", number), one.verdict))))
        found: dict[int, Told] = {}
        for place in members:
            slot, assessment = judged[place]
            event, verdict = assessment.event, verdicts[place]
            of_call = _of_call(assessment)
            if not of_call:
                own = passing(verdict, lenient.get(("v", place), verdict))
                heard[place] = _with_own(heard[place], event, own)
            answer = self._fold(slot, event, assessment.policy, heard[place])
            tell = _of_sound if of_call else _of_messages
            found[place] = tell(event, verdict, answer, heard[place], assessment)
        return found

    def settled(self, offsets: Mapping[Partition, int]) -> None:
        """The group has committed these offsets: what lies below them never comes again."""
        for partition, offset in offsets.items():
            self.book.settled(partition, offset)
            self._said.settled(partition, offset)
            self._heard.settled(partition, offset)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that went to another worker."""
        gone = list(partitions)
        self.book.forget(gone)
        self._conversations.forget(gone)
        for partition in gone:
            self._looked.pop(partition, None)
            self._said.forget(partition)
            self._heard.forget(partition)

    def way_back(self, partition: Partition, offset: int) -> WayBack:
        """From where messages, and from where sound must be read again before the record at `offset` is."""
        return WayBack(self._said.needed_from(partition, offset), self._heard.needed_from(partition, offset))

    def _fold(self, slot: Slot, event: Event, policy: Policy, heard: Sequence[Heard]) -> Answer:
        assert event.stream is not None
        key: StreamKey = (event.tenant, event.stream.id)
        answer = self.book.fold(slot.position, key, event.broker_ms, heard, policy.calls, policy.severe)
        partition = slot.position.of
        if event.broker_ms - self._looked.get(partition, 0) > _EVERY_MS:
            self._looked[partition] = event.broker_ms
            self.book.expire(partition, event.broker_ms)
        return answer

    def _closed(self, judged: Sequence[Judged], members: Sequence[int]) -> list[_Closed]:
        """Every window of the batch with its verdict, in order."""
        windows = [(place, window) for place in members for window in judged[place][1].windows]
        policies = [judged[place][1].policy for place, _ in windows]
        verdicts = self._decide_each(policies, [window.findings for _, window in windows]) if windows else []
        return [_Closed(place, window, verdict) for (place, window), verdict in zip(windows, verdicts, strict=True)]

    def _lenient(
        self, judged: Sequence[Judged], verdicts: Sequence[Verdict], closed: Sequence[_Closed]
    ) -> dict[tuple[str, int], Verdict]:
        """The verdicts with lower thresholds, of what belongs to a stream that has anything to remember, or will."""
        wanted: dict[int, tuple[Policy, list[tuple[str, int]], list[Findings]]] = {}
        stirs = {one.place for one in closed if one.verdict.reasons}
        stirs |= {place for place, (_, one) in enumerate(judged) if verdicts[place].reasons and one.event.stream}
        stirs |= {place for place, (slot, one) in enumerate(judged) if self._stands(slot, one.event)}

        def want(place: int, name: tuple[str, int], findings: Findings) -> None:
            policy = judged[place][1].policy
            group = wanted.setdefault(id(policy), (policy, [], []))
            group[1].append(name)
            group[2].append(findings)

        for place in sorted(stirs):
            want(place, ("v", place), judged[place][1].findings)
        for number, one in enumerate(closed):
            if one.place in stirs:
                want(one.place, ("w", number), one.window.findings)
        return {
            name: verdict
            for policy, names, findings in wanted.values()
            for name, verdict in zip(names, policy.decide_below(findings), strict=True)
        }

    def _stands(self, slot: Slot, event: Event) -> bool:
        return event.stream is not None and self.book.stands(slot.position, (event.tenant, event.stream.id))


def speaker_of(event: Event) -> str | None:
    """Who speaks: the stream's speaker, else the actor."""
    speaker: str | None = event.stream.speaker if event.stream is not None else None
    return speaker or event.context.get("actor")


def _of_call(assessment: Assessment) -> bool:
    """True for sound; what else the event holds is judged by itself."""
    if any(window.kind == "call" for window in assessment.windows):
        return True
    return not assessment.windows and _AUDIO in assessment.findings.part_types


def _heard(window: ClosedWindow, found: Passing) -> Heard:
    hop = window.index if window.kind == "call" else None
    speaker = None if window.kind == "exchange" else window.speaker
    return Heard(window.kind, speaker, hop, window.t0, window.t1, found)


def _with_own(heard: Sequence[Heard], event: Event, own: Passing) -> list[Heard]:
    """A message's own verdict counts in its speaker's window, which there is for every message."""
    at = event.broker_ms / 1000
    alone = Heard("speaker", speaker_of(event), None, at, at, {})
    mine = next((one for one in heard if one.kind == "speaker"), alone)
    found = dict(mine.found)
    for category, passed in own.items():
        before = found.get(category)
        found[category] = passed if before is None else type(passed)(*map(max, passed, before))
    return [mine._replace(found=found), *(one for one in heard if one.kind != "speaker")]


def _of_sound(event: Event, verdict: Verdict, answer: Answer, heard: Sequence[Heard], assessment: Assessment) -> Told:
    """A chunk has the action of its speaker's state; what its other parts ask for stands beside it."""
    speaker = event.stream.speaker if event.stream else None
    tracks: set[TrackKey] = {("call", one.speaker) for one in heard} | {("call", speaker)}
    level = answer.level(*tracks)
    alone = not assessment.windows  # a chunk that was put apart from its call is judged by itself
    others = max((r.action for r in verdict.reasons if alone or r.type != _AUDIO), default=Action.ALLOW)
    rules = assessment.policy.calls
    why = (
        f"the call stands at {level.label} for this speaker"
        if level > Action.ALLOW
        else f"fewer than {rules.agree} of the last {rules.of} windows ask for it"
    )
    sound = [window for window in assessment.windows if window.kind == "call"]
    windows = [
        {
            "kind": one.kind,
            "t0": _s(one.t0),
            "t1": _s(one.t1),
            "heard_s": _s(window.heard_s),
            "missing_s": _s(window.missing_s),
            "passed": _passed(one),
        }
        for one, window in zip(heard, sound, strict=True)
    ]
    return Told(level, max(level, others), why, _call("call", event, speaker, answer, level, tracks, windows))


def _of_messages(
    event: Event, verdict: Verdict, answer: Answer, heard: Sequence[Heard], assessment: Assessment
) -> Told:
    """A message is judged by itself, and by what it completes."""
    speaker = speaker_of(event)
    tracks: set[TrackKey] = {("speaker", speaker), ("exchange", None)}
    windows = [
        {"kind": one.kind, "t0": _s(one.t0), "t1": _s(one.t1), "passed": passed}
        for one in heard
        if (passed := _passed(one))
    ]
    why = f"with the messages before it, it asks for {answer.newly.label}"
    call = _call("conversation", event, speaker, answer, answer.level(*tracks), tracks, windows)
    return Told(answer.newly, Action.BLOCK, why, call)


def _call(
    kind: str,
    event: Event,
    speaker: str | None,
    answer: Answer,
    level: Action,
    tracks: set[TrackKey],
    windows: list[Any],
) -> dict[str, Any]:
    """The decision's `call`."""
    assert event.stream is not None
    raised: dict[str, Action] = {}
    for category, stands in _raised(answer, tracks):
        raised[category] = max(stands, raised.get(category, Action.ALLOW))
    return {
        "kind": kind,
        "stream": event.stream.id,
        "speaker": speaker,
        "state": level.label,
        "stream_state": answer.level().label,
        "raised": {category: stands.label for category, stands in sorted(raised.items())},
        "windows": windows,
        "changed": [
            {
                "kind": one.kind,
                "speaker": one.speaker,
                "category": one.transition.category,
                "before": one.transition.before.label,
                "after": one.transition.after.label,
                "cause": one.transition.cause,
                "t0": _s(one.t0),
                "t1": _s(one.t1),
            }
            for one in answer.changed
        ],
        "transition": bool(answer.changed),
    }


def _raised(answer: Answer, tracks: set[TrackKey]) -> Iterator[tuple[str, Action]]:
    for key in tracks:
        yield from answer.levels.get(key, {}).items()


def _passed(one: Heard) -> dict[str, str]:
    return {category: passed.action.label for category, passed in one.found.items() if passed.action > Action.ALLOW}


def _s(seconds: float) -> float:
    return round(seconds, 3)
