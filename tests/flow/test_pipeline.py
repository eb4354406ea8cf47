"""The whole worker on a queue in memory: what goes in, what comes out, and what is committed when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from tests.flow.conftest import POLICY, Bench, event
from worker.core.errors import PublishFailed
from worker.core.ports import NO_MARKS
from worker.core.records import Outgoing, Partition
from worker.settings import Settings, load
from worker.transport.memory import MemoryLog, MemoryTransport


async def test_each_action_goes_to_its_topic(settings: Settings) -> None:
    """A harmless line is allowed, a listed one flagged, a worse one blocked."""
    bench = Bench(settings)
    bench.send([event("a", "good morning"), event("f", "get free coins here"), event("b", "I will hurt you")])
    async with bench.running():
        await bench.until(3)
    ids = {
        route: [orjson.loads(r.value or b"")["event_id"] for r in bench.out(route)]
        for route in ("allow", "flag", "block")
    }
    assert ids == {"allow": ["a"], "flag": ["f"], "block": ["b"]}


async def test_what_is_no_event_is_dead_lettered_with_its_bytes_untouched(settings: Settings) -> None:
    """Its neighbours are decided as if it were not there."""
    bench = Bench(settings)
    bench.send([event("1", "hello"), b"\xff\xfe", event("2", "hello"), b'{"id": 5', event("3", "hello")])
    async with bench.running():
        await bench.until(5)
    dead = bench.out("dead_letter")
    assert [record.value for record in dead] == [b"\xff\xfe", b'{"id": 5']
    codes = [dict(record.headers)["tidegate-code"] for record in dead]
    assert codes == [b"not_utf8", b"not_json"]
    assert sorted(d["event_id"] for d in bench.decisions()) == ["1", "2", "3"]


async def test_an_unknown_tenant_is_dead_lettered_unless_there_is_a_policy_for_everyone(
    settings: Settings, policies: Path
) -> None:
    """`"*"` in tenants.json decides which."""
    bench = Bench(settings)
    bench.send([event("1", "hello", tenant="stranger")])
    async with bench.running():
        await bench.until(1)
    assert dict(bench.out("dead_letter")[0].headers)["tidegate-code"] == b"unknown_tenant"

    (policies / "tenants.json").write_bytes(orjson.dumps({"*": "words"}))
    bench = Bench(settings)
    bench.send([event("1", "hello", tenant="stranger")])
    async with bench.running():
        await bench.until(1)
    assert bench.decisions()[0]["tenant"] == "stranger"


async def test_a_tombstone_is_passed_over_and_committed(settings: Settings) -> None:
    """Nothing is published for it, and the offset behind it is committed."""
    bench = Bench(settings, partitions=1)
    bench.send([None, event("1", "hello"), None])
    async with bench.running():
        await bench.until(1)
    assert len(bench.out("allow", "flag", "block", "dead_letter")) == 1
    assert bench.log.committed["tidegate", Partition(settings.topics.events, 0)] == 3


async def test_decisions_of_a_key_keep_the_events_order(settings: Settings) -> None:
    """Whatever their action, an actor's decisions on one topic stand in the order of the events."""
    bench = Bench(settings)
    for i in range(300):
        actor = f"u{i % 7}"
        bench.send([event(f"{actor}-{i:04}", "hello", context={"actor": actor})], key=actor.encode())
    async with bench.running():
        await bench.until(300)
    for number in range(7):
        ids = [d["event_id"] for d in bench.decisions() if d["event_id"].startswith(f"u{number}-")]
        assert ids == sorted(ids)
        assert len(ids) in (42, 43)


async def test_the_same_position_has_the_same_decision_id_after_a_restart(settings: Settings) -> None:
    """A reader can drop the repeat that a crash makes, even under a changed policy."""
    ids = []
    for _ in range(2):
        bench = Bench(settings)
        bench.send([event("1", "hello")])
        async with bench.running():
            await bench.until(1)
        ids.append(bench.decisions()[0]["id"])
    assert ids[0] == ids[1]


class _Refusing(MemoryTransport):
    """Refuses the first publishes, as a broker does that is losing its leader."""

    def __init__(self, log: MemoryLog, settings: Settings, refusals: int) -> None:
        super().__init__(log, settings.topics)
        self.refusals = refusals
        self.committed_while_refusing: list[Mapping[Partition, int]] = []

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PublishFailed("not acknowledged: try again")
        await super().publish(outgoing, offsets, marks)

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        if self.refusals and any(offsets.values()):  # a mark beside the offset that stood there commits nothing
            self.committed_while_refusing.append(offsets)
        await super().commit(offsets, marks)


async def test_nothing_is_committed_before_it_is_acknowledged(settings: Settings) -> None:
    """A refused publish is sent again, whole and in order, and only then committed."""
    bench = Bench(settings)
    refusing = _Refusing(bench.log, settings, refusals=2)
    bench = Bench(settings, transport=refusing)
    bench.log = refusing._log
    bench.send([event(str(i), "hello") for i in range(20)])
    async with bench.running():
        await bench.until(20)
    assert refusing.committed_while_refusing == []
    assert [d["event_id"] for d in bench.decisions()] == [str(i) for i in range(20)]


async def test_a_reload_is_in_the_next_decision(settings: Settings, policies: Path) -> None:
    """Each decision carries the digest of the policy that was active when it was admitted."""
    bench = Bench(settings)
    async with bench.running():
        bench.send([event("1", "buy my boat")])
        await bench.until(1)
        changed = {**POLICY, "version": "2", "terms": [{**POLICY["terms"][0], "words": ["boat"]}]}  # type: ignore[index]
        (policies / "words.json").write_bytes(orjson.dumps(changed))
        await bench.worker.policies.reload()
        bench.send([event("2", "buy my boat")])
        await bench.until(2)
    decisions = sorted(bench.decisions(), key=lambda d: d["event_id"])
    first, second = decisions
    assert (first["action"], first["policy"]["version"]) == ("allow", "1")
    assert (second["action"], second["policy"]["version"]) == ("flag", "2")
    assert first["policy"]["digest"] != second["policy"]["digest"]


async def test_a_bad_policy_keeps_the_last_good_one(settings: Settings, policies: Path) -> None:
    """Traffic goes on under the old version, and `/status` says what is wrong and where."""
    bench = Bench(settings)
    async with bench.running():
        bench.send([event("1", "hello")])
        await bench.until(1)
        (policies / "words.json").write_bytes(b'{"id": "words",\n "version": 2,,}')
        await bench.worker.policies.reload()
        bench.send([event("2", "I will hurt you")])
        await bench.until(2)
    assert [d["policy"]["version"] for d in bench.decisions()] == ["1", "1"]
    errors = [policy["message"] for policy in bench.worker.health.status()["policies"]]
    assert any(error and "words.json:2" in error for error in errors)


async def test_credits_bound_what_is_in_flight(policies: Path) -> None:
    """With two credits no more than two events are ever in flight, and all of a hundred are decided."""
    settings = load(None, {"policies": policies, "models.profile": "words", "flow.events": 2})
    bench = Bench(settings)
    most = 0
    take = bench.worker.flow.credits.take

    def counting(decoded_bytes: int, tenant: str | None = None) -> bool:
        nonlocal most
        taken = take(decoded_bytes, tenant)
        most = max(most, bench.worker.flow.credits.held[0])
        return taken

    bench.worker.flow.credits.take = counting  # type: ignore[method-assign]
    bench.send([event(str(i), "hello") for i in range(100)])
    async with bench.running():
        await bench.until(100)
    assert most == 2
    assert bench.worker.flow.credits.held == (0, 0)


async def test_a_worker_that_breaks_says_why_and_commits_nothing_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that no record is at fault for ends the worker; what was unfinished is read again."""
    bench = Bench(settings, partitions=1)

    async def broken(**_: object) -> list[object]:
        raise RuntimeError("out of luck")

    async def go() -> None:
        async with bench.running():
            bench.send([event("1", "hello")])
            await bench.until(1)
            monkeypatch.setattr(bench.transport, "poll", broken)
            bench.send([event("2", "hello")])
            async with asyncio.timeout(10):  # inside, so that a block left waiting shows as a TimeoutError
                await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="out of luck"):
        await go()
    assert bench.log.committed.get(("tidegate", Partition(settings.topics.events, 0)), 0) <= 1


async def test_a_condition_that_breaks_is_noted_and_counted(settings: Settings, policies: Path) -> None:
    """In the decision's notes by its place, in a metric for whoever watches the worker."""
    whens = [{"if": "context.attributes.level > 3", "set": {"scam": {"flag": 0.1}}}]
    (policies / "words.json").write_bytes(orjson.dumps(POLICY | {"when": whens}))
    bench = Bench(settings)
    bench.send([event(str(level), "free coins", context={"attributes": {"level": level}}) for level in (1, "high")])
    async with bench.running():
        await bench.until(2)
    notes = {decision["event_id"]: decision.get("notes") for decision in bench.decisions()}
    assert notes == {"1": None, "high": ["when[0] failed and took its stricter side"]}
    assert bench.worker.metrics.registry.get_sample_value("tidegate_conditions_failed_total") == 1
