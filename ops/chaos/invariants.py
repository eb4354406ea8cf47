"""The invariants of design.md section 7, held against what was read. Pure: inputs and outputs in, findings out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ops.chaos.reading import Found, Input, Output, Place
from ops.chaos.workload import expected

DEAD = ("invalid", "oversized", "poison")
_CLOCK_MS = 5  # what two stamps of one machine may differ by for rounding
_SHOWN = 5  # findings of one kind that are printed


class Sample(NamedTuple):
    """Committed offsets, by partition, known at a wall time in milliseconds."""

    at_ms: float
    offsets: dict[int, int]


class InForce(NamedTuple):
    """When a version of the policies was the newest, in wall milliseconds."""

    version: int
    since_ms: float
    until_ms: float


@dataclass(slots=True)
class Ledger:
    """What the harness saw from outside while it ran."""

    exactly_once: bool
    standin: bool = True
    samples: list[Sample] = field(default_factory=list)
    in_force: list[InForce] = field(default_factory=list)
    reload_ms: float = 15_000.0  # longest that an old version may still be seen
    drains: list[tuple[int, float]] = field(default_factory=list)  # exit code and seconds
    drain_s: float = 15.0
    peak_bytes: int = 0
    most_bytes: int = 0
    poison_ms: float = 90_000.0
    unfinished: str = ""  # why the run did not come to its end, if it did not


class Verdict(NamedTuple):
    """Counts for the line that is printed, and what was found wrong."""

    counts: dict[str, int]
    findings: list[str]

    @property
    def holds(self) -> bool:
        return not self.findings

    def line(self) -> str:
        """`events=… lost=0 …`"""
        return " ".join(f"{name}={count}" for name, count in self.counts.items())


def check(found: Found, ledger: Ledger) -> Verdict:
    """Every invariant that can be seen from outside."""
    firsts, repeats = _without_repeats(found.outputs)
    counts = {"events": len(found.inputs), "decisions": len(firsts), "duplicated": len(repeats)}
    findings: list[str] = []

    def note(name: str, what: Iterable[str]) -> None:
        told = list(what)
        counts[name] = len(told)
        findings.extend(f"{name}: {one}" for one in told[:_SHOWN])

    if ledger.exactly_once:  # I2
        findings += [f"duplicated: {_at(out)} repeats {out.source}" for out in repeats[:_SHOWN]]
    note("lost", _lost(found, firsts))  # I1
    note("doubled", _doubled(found, firsts))  # I1
    note("wrong", _wrong(found, found.outputs))  # I1
    note("reordered", _reordered(found.inputs, firsts, by_partition=ledger.exactly_once))  # I3
    note("ahead", _ahead(found, ledger.samples))  # I4
    note("backwards", _backwards(ledger.samples))  # I4
    note("mixed_policy", _mixed(found.inputs, found.outputs, standin=ledger.standin))  # I5, I8
    note("stale_policy", _stale(found.outputs, ledger.in_force, ledger.reload_ms))  # I5
    note("memory", _memory(ledger))  # I6
    note("drain", _drains(ledger))  # I7
    note("stuck", _stuck(found, firsts, ledger))  # I9, and that it ended at all
    note("hanging", found.hanging)  # I10
    return Verdict(counts, findings)


def _without_repeats(outputs: Sequence[Output]) -> tuple[list[Output], list[Output]]:
    """The first output of each id by the broker's clock, in reading order, and the repeats."""
    first: dict[str, Output] = {}
    for out in outputs:
        known = first.get(out.id)
        if known is None or out.stored_ms < known.stored_ms:
            first[out.id] = out
    kept = set(map(id, first.values()))
    return [out for out in outputs if id(out) in kept], [out for out in outputs if id(out) not in kept]


def _lost(found: Found, firsts: Sequence[Output]) -> Iterable[str]:
    ended = {out.source for out in firsts}
    for place, record in found.inputs.items():
        if record.kind != "tombstone" and place not in ended:
            yield f"{_input(place, record)} has no terminal record"


def _doubled(found: Found, firsts: Sequence[Output]) -> Iterable[str]:
    """Two ids for one position, or one id for two positions."""
    by_place: defaultdict[Place, set[str]] = defaultdict(set)
    for out in firsts:
        by_place[out.source].add(out.id)
    for place, ids in by_place.items():
        if len(ids) > 1:
            yield f"partition {place[0]} offset {place[1]} ended {len(ids)} times: {', '.join(sorted(ids)[:3])}"
    places = Counter(out.id for out in {(o.id, o.source): o for o in found.outputs}.values())
    yield from (f"id {id} stands for {count} positions" for id, count in places.items() if count > 1)


def _wrong(found: Found, outputs: Sequence[Output]) -> Iterable[str]:
    """A record that is not what its input must end as, or that contradicts itself."""
    for out in outputs:
        record = found.inputs.get(out.source)
        if out.slip:
            yield f"{_at(out)} {out.slip}"
        elif record is None:
            yield f"{_at(out)} answers partition {out.source[0]} offset {out.source[1]}, where nothing stands"
        elif (record.kind in DEAD) is not (out.route == "dead_letter") or record.kind == "tombstone":
            yield f"{_input(out.source, record)} ended as {out.route} {out.action}"
        elif out.route != "dead_letter" and (record.event_id, record.tenant) != (out.event_id, out.tenant):
            yield f"{_input(out.source, record)} is decided as {out.tenant} {out.event_id}"


def _reordered(inputs: Mapping[Place, Input], firsts: Sequence[Output], *, by_partition: bool) -> Iterable[str]:
    """By key in at-least-once, by partition in exactly-once, within each output partition."""
    last: dict[tuple[str, int, str], Output] = {}
    for out in firsts:
        record = inputs.get(out.source)
        if record is None or (out.route == "dead_letter" and not by_partition):
            continue
        key = (out.route, out.partition, "" if by_partition else record.order_key)
        before = last.get(key)
        if before is not None and before.source[1] > out.source[1]:
            ends = f"{_at(out)} of offset {out.source[1]} after {_at(before)} of {before.source[1]}"
            yield f"{ends}, {key[2] or 'any key'}"
        last[key] = out


def _ahead(found: Found, samples: Sequence[Sample]) -> Iterable[str]:
    """A position below a committed offset whose terminal record was not stored when the offset was seen."""
    stored: dict[Place, int] = {}
    for out in found.outputs:
        stored[out.source] = min(out.stored_ms, stored.get(out.source, out.stored_ms))
    seen: Counter[int] = Counter()
    for sample in samples:
        for partition, offset in sample.offsets.items():
            for place in ((partition, o) for o in range(seen[partition], offset)):
                record = found.inputs.get(place)
                if record is None or record.kind == "tombstone":
                    continue
                if stored.get(place, float("inf")) > sample.at_ms + _CLOCK_MS:
                    yield f"{_input(place, record)} was committed before its terminal record was stored"
            seen[partition] = max(seen[partition], offset)


def _backwards(samples: Sequence[Sample]) -> Iterable[str]:
    for before, after in pairwise(samples):
        for partition, offset in after.offsets.items():
            if offset < before.offsets.get(partition, 0):
                yield f"partition {partition} was committed to {before.offsets[partition]}, then to {offset}"


def _mixed(inputs: Mapping[Place, Input], outputs: Sequence[Output], *, standin: bool) -> Iterable[str]:
    """A decision that is not what the version it names says, or a version with two digests."""
    digests: dict[tuple[str, str], str] = {}
    for out in outputs:
        record = inputs.get(out.source)
        if out.route == "dead_letter" or record is None:
            continue
        known = digests.setdefault((out.tenant, out.version), out.digest)
        wanted = expected(record.kind, record.tenant, record.word, int(out.version[1:]), standin=standin)
        if known != out.digest:
            yield f"{_at(out)} gives {out.version} of {out.tenant} the digest {out.digest}, others {known}"
        elif wanted is not None and wanted != out.action:
            where = _input(out.source, record)
            yield f"{where} with '{record.word}' is {out.action} under {out.version}, which says {wanted}"


def _stale(outputs: Sequence[Output], in_force: Sequence[InForce], reload_ms: float) -> Iterable[str]:
    """A version that was not in force between the reading of its event and the decision."""
    times = {f"v{one.version}": one for one in in_force}
    for out in outputs:
        if out.route == "dead_letter":
            continue
        time = times.get(out.version)
        if time is None:
            yield f"{_at(out)} names {out.version}, which never was"
        elif out.decided_ms < time.since_ms - _CLOCK_MS:
            yield f"{_at(out)} names {out.version} before it was there"
        elif out.read_ms > time.until_ms + reload_ms:
            yield f"{_at(out)} was read {(out.read_ms - time.until_ms) / 1000:.1f} s after {out.version} was replaced"


def _memory(ledger: Ledger) -> Iterable[str]:
    if ledger.peak_bytes > ledger.most_bytes > 0:
        yield f"a worker took {ledger.peak_bytes >> 20} MiB, over {ledger.most_bytes >> 20} MiB"


def _drains(ledger: Ledger) -> Iterable[str]:
    for code, seconds in ledger.drains:
        if code != 0 or seconds > ledger.drain_s:
            yield f"a worker asked to stop ended with {code} after {seconds:.1f} s, of {ledger.drain_s:.0f} s"


def _stuck(found: Found, firsts: Sequence[Output], ledger: Ledger) -> Iterable[str]:
    if ledger.unfinished:
        yield ledger.unfinished
    stored = {out.source: out.stored_ms for out in firsts}
    for place, record in found.inputs.items():
        if record.kind == "poison" and stored.get(place, 0) - record.sent_ms > ledger.poison_ms:
            yield f"{_input(place, record)} held its partition for {(stored[place] - record.sent_ms) / 1000:.0f} s"


def _at(out: Output) -> str:
    return f"{out.route}[{out.partition}]@{out.offset}"


def _input(place: Place, record: Input) -> str:
    return f"{record.kind} at partition {place[0]} offset {place[1]}"
