"""The chaos verifier finds each kind of harm in outputs that are whole but for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ops.chaos.invariants import InForce, Ledger, Sample, check
from ops.chaos.plan import FAULTS, plan
from ops.chaos.reading import Found, Input, Output
from ops.chaos.workload import workload

TENANT, START = "amber-co", 1_000
Harm = Callable[[Found, Ledger], None]


def whole(exactly_once: bool) -> tuple[Found, Ledger]:
    """Five records of one partition and what must come of them: three decisions, a dead letter, nothing."""
    found = Found(ends={0: 5})
    kinds = ["text", "text", "tombstone", "invalid", "text"]
    for offset, kind in enumerate(kinds):
        event = f"e{offset}" if kind == "text" else ""
        found.inputs[0, offset] = Input(kind, TENANT if event else "", event, "actor u1", "", START, b"x")
        if kind == "text":
            found.outputs.append(decision(offset))
        if kind == "invalid":
            found.outputs.append(
                decision(offset)._replace(route="dead_letter", action="not_json", version="", digest="")
            )
    samples = [Sample(START + 50, {0: 2}), Sample(START + 200, {0: 5})]
    forced = [InForce(0, START - 100, START + 100), InForce(1, START + 100, float("inf"))]
    return found, Ledger(exactly_once, samples=samples, in_force=forced, reload_ms=50.0, most_bytes=100)


def decision(offset: int) -> Output:
    """Allowed under version 0, stored ten milliseconds after the one before."""
    stored = START + 10 * (offset + 1)
    return Output(
        "allow", 0, offset, stored, (0, offset), f"d{offset}", f"e{offset}", "allow", "v0", "sha256:0", TENANT,
        stored - 5.0, stored - 1.0, "",
    )  # fmt: skip


def change(index: int, **fields: object) -> Harm:
    """One output with other fields."""

    def harm(found: Found, _: Ledger) -> None:
        found.outputs[index] = found.outputs[index]._replace(**fields)  # type: ignore[arg-type]

    return harm


def again(index: int) -> Harm:
    """One output a second time, later."""

    def harm(found: Found, _: Ledger) -> None:
        out = found.outputs[index]
        found.outputs.append(out._replace(offset=out.offset + 10, stored_ms=out.stored_ms + 100))

    return harm


def swap(found: Found, _: Ledger) -> None:
    """Two decisions of one key in the other order."""
    found.outputs[0], found.outputs[1] = found.outputs[1], found.outputs[0]


HARMS: dict[str, Harm] = {
    "lost": lambda found, _: found.outputs.pop(0) and None,
    "doubled": lambda found, _: found.outputs.append(
        decision(0)._replace(id="another", stored_ms=START + 15, offset=9)
    ),
    "wrong": change(0, slip="action allow in topic block"),
    "reordered": swap,
    "ahead": lambda _, ledger: ledger.samples.insert(0, Sample(START + 2, {0: 1})),
    "backwards": lambda _, ledger: ledger.samples.append(Sample(START + 300, {0: 4})),
    "mixed_policy": change(0, action="block"),
    "stale_policy": change(0, read_ms=START + 500.0, decided_ms=START + 501.0),
    "memory": lambda _, ledger: setattr(ledger, "peak_bytes", 101),
    "drain": lambda _, ledger: ledger.drains.append((1, 0.2)),
    "stuck": lambda _, ledger: setattr(ledger, "unfinished", "3 records not committed"),
    "hanging": lambda found, _: found.hanging.append("allow[0] does not come to its end 5"),
}


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_whole_run_holds(exactly_once: bool) -> None:
    """Nothing is found where nothing is wrong."""
    verdict = check(*whole(exactly_once))
    assert verdict.holds, verdict.findings
    assert verdict.line().startswith("events=5 decisions=4 duplicated=0 lost=0")


@pytest.mark.parametrize("exactly_once", [False, True])
@pytest.mark.parametrize("name", HARMS)
def test_each_harm_is_found_as_what_it_is(name: str, exactly_once: bool) -> None:
    """Harm of one kind is counted under its name, and the run does not hold."""
    found, ledger = whole(exactly_once)
    HARMS[name](found, ledger)
    verdict = check(found, ledger)
    assert verdict.counts[name] > 0
    assert not verdict.holds


def test_a_repeat_is_harm_in_exactly_once_alone() -> None:
    """At-least-once may repeat a decision under the same id; who reads exactly-once never sees two."""
    for exactly_once in (False, True):
        found, ledger = whole(exactly_once)
        again(1)(found, ledger)
        verdict = check(found, ledger)
        assert verdict.counts["duplicated"] == 1
        assert verdict.holds is not exactly_once


def test_the_same_seed_gives_the_same_plan_and_load() -> None:
    """A seed that fails can be run again."""
    assert plan(7, 30, list(FAULTS)) == plan(7, 30, list(FAULTS)) != plan(8, 30, list(FAULTS))
    assert list(workload(7, 500, poison=True)) == list(workload(7, 500, poison=True))
    assert {made.kind for made in workload(7, 5_000, poison=True)} >= {"text", "image", "audio", "poison", "tombstone"}
