"""Records that break, hang or kill: parked one by one, and whoever stands beside them is decided as if they did not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.flow.conftest import Bench, event
from worker.core.errors import RecordsTooLarge, TidegateError, TooManyParked, WorkerHung
from worker.core.ports import NO_MARKS, Envelope, Limits
from worker.core.records import Outgoing, Partition, Record
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import EventEnvelope
from worker.deliver.suspects import Mark
from worker.settings import Settings, load
from worker.transport.memory import MemoryTransport

POISON = "poison"


class Breaking(EventDecoder):
    """Breaks on events whose id begins with `poison`, as a bug of a codec would, in one of two stages."""

    def __init__(self, stage: str, *, times: int = 1_000) -> None:
        super().__init__()
        self.stage, self.times, self.tried = stage, times, 0

    def _hit(self, envelope: Envelope) -> None:
        if isinstance(envelope, EventEnvelope) and envelope.id.startswith(POISON) and self.times:
            self.times -= 1
            self.tried += 1
            raise ZeroDivisionError("the secret is 42")

    def envelope(self, record: Record) -> EventEnvelope:
        found = super().envelope(record)
        if self.stage == "envelope":
            self._hit(found)
        return found

    def event(self, envelope: Envelope, limits: Limits, *, received: float) -> Any:
        if self.stage == "event":
            self._hit(envelope)
        return super().event(envelope, limits, received=received)


def with_decoder(bench: Bench, decoder: EventDecoder) -> Bench:
    """Put a decoder of the test's own into the worker."""
    intake = bench.worker.pipeline._intake
    intake._decoder = intake._preparing._decoder = decoder
    return bench


def heavy(id: str) -> bytes:
    """An event that is decoded in a thread: a long text."""
    return event(id, "hello " * 1_000)


def light(id: str) -> bytes:
    return event(id, "hello")


def ended(bench: Bench) -> set[tuple[int, int]]:
    """Partition and offset of every input that has a terminal record."""
    sources = [orjson.loads(record.value or b"")["source"] for record in bench.out()]
    found = {(source["partition"], source["offset"]) for source in sources}
    letters = [(headers["__connect.errors.partition"], headers["__connect.errors.offset"]) for headers in parked(bench)]
    return found | {(int(partition), int(offset)) for partition, offset in letters}


def parked(bench: Bench) -> list[dict[str, bytes]]:
    return [dict(record.headers) for record in bench.out("dead_letter")]


@pytest.mark.parametrize("make", [light, heavy], ids=["on the loop", "in a thread"])
@pytest.mark.parametrize("stage", ["envelope", "event"])
async def test_a_record_that_breaks_decoding_is_parked_after_three_attempts(
    settings: Settings, stage: str, make: Any
) -> None:
    """With its bytes and history; neighbours are decided, all is committed, no credit is lost, no content is told."""
    decoder = Breaking(stage)
    bench = with_decoder(Bench(settings, partitions=1), decoder)
    values = [make("before"), make(POISON), make("after")]
    bench.send(values)
    async with bench.running():
        await bench.until(3)
    (letter,) = bench.out("dead_letter")
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"k", values[1])
    assert headers["tidegate-code"] == b"breaks_pipeline"
    assert (headers["tidegate-stage"], headers["tidegate-attempts"]) == (stage.encode(), b"3")
    assert headers["tidegate-failures"] == b"ZeroDivisionError,ZeroDivisionError,ZeroDivisionError"
    assert b"42" not in b"".join(headers.values())
    assert decoder.tried == 3
    assert sorted(d["event_id"] for d in bench.decisions()) == ["after", "before"]
    assert bench.held == (0, 0)
    assert bench.log.committed["tidegate", Partition(settings.topics.events, 0)] == 3


@pytest.mark.parametrize("make", [light, heavy], ids=["on the loop", "in a thread"])
async def test_a_record_that_breaks_once_is_decided_at_the_next_attempt(settings: Settings, make: Any) -> None:
    """Nothing is parked for a passing failure."""
    bench = with_decoder(Bench(settings, partitions=1), Breaking("event", times=2))
    bench.send([make(POISON)])
    async with bench.running():
        await bench.until(1)
    assert [d["event_id"] for d in bench.decisions()] == [POISON]
    assert bench.worker.metrics.registry.get_sample_value("tidegate_record_failures_total", {"stage": "event"}) == 2


async def test_the_order_of_a_key_holds_around_a_parked_record(settings: Settings) -> None:
    """One actor's events, every tenth broken: decisions and dead letters keep the events' order."""
    bench = with_decoder(Bench(settings, partitions=1), Breaking("event"))
    names = [f"{POISON if i % 10 == 3 else 'ok'}-{i:03}" for i in range(100)]
    bench.send([event(name, "hello " * (1 + 999 * (i % 2)), context={"actor": "u"}) for i, name in enumerate(names)])
    async with bench.running():
        await bench.until(100)
    decided = [d["event_id"] for d in bench.decisions()]
    assert decided == [name for name in names if not name.startswith(POISON)]
    offsets = [int(headers["__connect.errors.offset"]) for headers in parked(bench)]
    assert offsets == [i for i in range(100) if i % 10 == 3]


async def test_an_event_that_breaks_deciding_is_found_in_its_batch_and_parked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among a hundred decided together, the two at fault are parked in their places."""
    bench = Bench(settings, partitions=1)
    deciding = bench.worker.pipeline._outlet._deciding
    writer = deciding._writer
    write = writer.write

    def broken(policy: Any, judged: Sequence[Any], *rest: Any) -> Any:
        if any(one[0].id.startswith(POISON) for one in judged):
            raise RecursionError
        return write(policy, judged, *rest)

    monkeypatch.setattr(writer, "write", broken)
    bench.send([event(f"{POISON}-{i}" if i in (13, 77) else f"{i}", "hello") for i in range(100)])
    async with bench.running():
        await bench.until(100)
    assert [headers["__connect.errors.offset"] for headers in parked(bench)] == [b"13", b"77"]
    assert {headers["tidegate-stage"] for headers in parked(bench)} == {b"deciding"}
    assert {headers["tidegate-tenant"] for headers in parked(bench)} == {b"acme"}
    assert len(bench.decisions()) == 98
    assert bench.held == (0, 0)


class Hanging(EventDecoder):
    """Hangs on events whose id begins with `poison`, until the test lets go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def event(self, envelope: Envelope, limits: Limits, *, received: float) -> Any:
        if isinstance(envelope, EventEnvelope) and envelope.id.startswith(POISON):
            self.let_go.wait(30)
        return super().event(envelope, limits, received=received)


@pytest.fixture
def impatient(policies: Path) -> Settings:
    """Decoding may take a fifth of a second, and one lost thread may be replaced."""
    return load(
        None,
        {
            "policies": policies,
            "models.profile": "words",
            "models.decode_threads": 1,
            "parking.decode_s": 0.2,
            "parking.lost_threads": 2,
        },
    )


async def test_a_record_that_hangs_is_parked_and_its_thread_replaced(impatient: Settings) -> None:
    """There is one thread: the chunk's other events are decided by its successor, and a late answer changes nothing."""
    decoder = Hanging()
    bench = with_decoder(Bench(impatient, partitions=1), decoder)
    bench.send([heavy("before"), heavy(POISON), heavy("after")])
    async with bench.running():
        await bench.until(3)
        decoder.let_go.set()
        bench.send([heavy("later")])
        await bench.until(4)
    assert [d["event_id"] for d in bench.decisions()] == ["before", "after", "later"]
    assert [headers["tidegate-code"] for headers in parked(bench)] == [b"hangs"]
    assert bench.held == (0, 0)


async def test_a_stop_does_not_wait_for_a_record_that_hangs(policies: Path) -> None:
    """The drain is cut short, what is finished is committed, and the mark stays: the record is suspected."""
    patient = load(None, {"policies": policies, "models.profile": "words", "flow.drain_s": 0.2})
    decoder = Hanging()
    bench = with_decoder(Bench(patient, partitions=1), decoder)
    bench.send([heavy("before")])
    async with bench.running():
        await bench.until(1)
        bench.send([heavy(POISON)])
        while bench.held == (0, 0):
            await bench.log.wait(asyncio.Event(), 0.01)
    decoder.let_go.set()
    partition = Partition(patient.topics.events, 0)
    assert bench.log.committed["tidegate", partition] == 1
    assert Mark.parse(bench.log.marks["tidegate", partition]).run


async def test_a_worker_that_lost_too_many_threads_ends_itself_and_nobody_is_suspected(impatient: Settings) -> None:
    """Only a new process is rid of them. What is finished is committed, and no run is said to be under way."""
    decoder = Hanging()
    bench = with_decoder(Bench(impatient, partitions=1), decoder)
    bench.send([heavy("before"), heavy(f"{POISON}-1"), heavy("between"), heavy(f"{POISON}-2"), heavy("after")])
    with pytest.raises(WorkerHung, match="2 threads are lost"):
        await bench.worker.run()
    decoder.let_go.set()
    partition = Partition(impatient.topics.events, 0)
    assert Mark.parse(bench.log.marks["tidegate", partition]).run == ""


async def test_a_worker_that_would_park_most_records_stops_and_publishes_none_of_them(settings: Settings) -> None:
    """A broken deployment must not empty the topic into the dead letter; what is unfinished is read again."""
    bench = with_decoder(Bench(settings, partitions=1), Breaking("envelope"))
    bench.send([light(f"{POISON}-{i}") for i in range(100)])
    with pytest.raises(TooManyParked, match="over the share of"):
        await bench.worker.run()
    assert not bench.out("dead_letter")
    partition = Partition(settings.topics.events, 0)
    assert bench.log.committed.get(("tidegate", partition), 0) == 0
    assert Mark.parse(bench.log.marks["tidegate", partition]).run == ""
    healed = Bench(settings, transport=MemoryTransport(bench.log, settings.topics))
    healed.log = bench.log
    async with healed.running():
        await healed.until(100)
    assert len(healed.decisions()) == 100


async def test_garbage_from_a_producer_stops_no_worker_unless_told_to(settings: Settings, policies: Path) -> None:
    """What is no event is the producer's doing; a share of its own is off until it is set."""
    bench = Bench(settings, partitions=1)
    bench.send([b"garbage"] * 100)
    async with bench.running():
        await bench.until(100)
    assert {headers["tidegate-code"] for headers in parked(bench)} == {b"not_json"}
    strict = load(None, {"policies": policies, "models.profile": "words", "parking.share_not_events": 0.5})
    bench = Bench(strict, partitions=1)
    bench.send([b"garbage"] * 100)
    with pytest.raises(TooManyParked, match="are no events"):
        await bench.worker.run()
    assert not bench.out("dead_letter")


class Small(MemoryTransport):
    """Takes no record over `limit` bytes of key, value and headers, as a topic's max.message.bytes does."""

    limit = 1_500

    async def publish(self, outgoing: Sequence[Outgoing], offsets: Any, marks: Any = NO_MARKS) -> None:
        too_large = {out.source for out in outgoing if _size(out) > self.limit}
        if too_large:
            raise RecordsTooLarge("over max.message.bytes", frozenset(too_large))
        await super().publish(outgoing, offsets, marks)


def _size(out: Outgoing) -> int:
    return len(out.key or b"") + len(out.value or b"") + sum(len(n) + len(v) for n, v in out.headers)


async def test_what_the_queue_will_never_take_is_made_smaller_and_keeps_its_action(settings: Settings) -> None:
    """A block with an endless key stays a block; a dead letter becomes a pointer; nothing is tried for ever."""
    bench = Bench(settings)
    small = Small(bench.log, settings.topics)
    bench = Bench(settings, transport=small)
    bench.log = small._log
    bench.send([event("b", "I will hurt you")], key=b"k" * 3_000)
    bench.send([b"garbage" * 1_000, light("ok")])
    async with bench.running():
        await bench.until(3)
    (blocked,) = bench.out("block")
    assert orjson.loads(blocked.value or b"")["notes"] == ["cut: the decision was too large for its topic"]
    assert blocked.key is None
    (letter,) = bench.out("dead_letter")
    headers = dict(letter.headers)
    assert (letter.value, headers["tidegate-pointer-bytes"]) == (b"", b"7000")
    assert headers["tidegate-code"] == b"too_large_to_publish"
    assert len(bench.out("allow")) == 1


async def test_in_good_order_a_worker_leaves_no_mark_and_a_dead_one_does(settings: Settings) -> None:
    """The mark is stored before the first record is decided, and taken away by the drain."""
    bench = Bench(settings, partitions=1)
    partition = Partition(settings.topics.events, 0)
    bench.send([light("1")])
    async with bench.running():
        await bench.until(1)
        assert Mark.parse(bench.log.marks["tidegate", partition]).run
    assert bench.log.marks["tidegate", partition] == ""


class Killed(BaseException):
    """What nothing catches, as little as a signal."""


class Killing(EventDecoder):
    """Ends the worker on events whose id begins with `poison`."""

    def envelope(self, record: Record) -> EventEnvelope:
        found = super().envelope(record)
        if found.id.startswith(POISON):
            raise Killed
        return found


@pytest.mark.parametrize("partition", [0, 1], ids=["in the partition read first", "read last"])
async def test_a_record_that_kills_the_process_is_convicted_at_its_third_death(
    settings: Settings, partition: int
) -> None:
    """Runs one after the other over one queue: the killer is parked unread, everything else has one decision."""
    first = Bench(settings, partitions=2)
    names = [f"{POISON if i == 150 + partition else 'ok'}-{i:03}" for i in range(200)]
    first.send([event(name, "hello", context={"actor": f"u{i % 5}"}) for i, name in enumerate(names)], key=None)
    deaths = 0
    while True:
        transport = MemoryTransport(first.log, settings.topics)
        first.log.members.clear()  # the dead leave no farewell
        bench = with_decoder(Bench(settings, transport=transport), Killing())
        bench.log = first.log
        try:
            async with bench.running():
                while len(ended(bench)) < 200:
                    await bench.until(len(bench.out("allow", "dead_letter")) + 1)
        except Killed:
            deaths += 1
        else:
            break
    assert deaths == 3
    (headers,) = parked(first)
    assert headers["tidegate-code"] == b"kills_worker"
    assert (headers["__connect.errors.partition"], headers["__connect.errors.offset"]) == (
        str(partition).encode(),
        b"75",
    )
    decided = {d["event_id"] for d in first.decisions()}
    assert decided == {name for name in names if not name.startswith(POISON)}


def test_errors_that_end_a_worker_on_purpose_say_so() -> None:
    """They are ours, so that the marks are taken away."""
    assert issubclass(TooManyParked, TidegateError)
    assert issubclass(WorkerHung, TidegateError)
