"""A candidate beside the live policy, through the whole worker: its outcome stands in the decision and never acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.flow.conftest import POLICY, Bench, event
from worker.core.schema_decision import DecisionDocument
from worker.policy.compile import CompiledPolicy
from worker.score.profile import Models
from worker.settings import Settings, load

FOREVER = "2999-01-01T00:00:00Z"
STRICT = [{"words": ["free coins"], "match": "word", "category": "scam", "action": "block"}, POLICY["terms"][1]]  # type: ignore[index]
OTHER = [{"words": ["hello"], "match": "word", "category": "scam", "action": "flag"}]


def write(folder: Path, candidate: dict[str, Any], **spec: Any) -> None:
    """A candidate for acme beside its policy."""
    (folder / "next.json").write_bytes(orjson.dumps({"id": "next", "version": "2"} | candidate))
    about = {"policy": "next", "until": FOREVER} | spec
    (folder / "tenants.json").write_bytes(orjson.dumps({"acme": {"policy": "words", "candidate": about}}))


async def decided(bench: Bench, texts: list[str]) -> dict[str, dict[str, Any]]:
    async with bench.running():
        bench.send([event(text, text) for text in texts])
        await bench.until(len(texts))
    assert bench.held == (0, 0)
    for decision in bench.decisions():
        DecisionDocument.model_validate(decision)
    return {decision["event_id"]: decision for decision in bench.decisions()}


@pytest.fixture
def bench(settings: Settings) -> Bench:
    return Bench(settings)


async def test_the_candidate_of_the_same_lists_takes_the_live_hits(bench: Bench, policies: Path) -> None:
    """Its own actions, nothing searched again; the live action and topic stay."""
    write(policies, {"extends": "words", "terms": STRICT})
    found = await decided(bench, ["free coins", "hello"])
    one = found["free coins"]
    assert (one["action"], one["candidate"]["action"]) == ("flag", "block")
    assert one["candidate"]["policy"]["id"] == "next"
    assert one["candidate"]["reasons"] == [
        {"category": "scam", "type": "text", "action": "block", "list": "terms[0]"},
    ]
    assert found["hello"]["candidate"]["action"] == "allow"
    assert [record.position.topic for record in bench.out("flag")] == [bench.settings.topics.flag]


async def test_the_candidate_of_other_lists_searches_for_itself(bench: Bench, policies: Path) -> None:
    """An event that the live policy allows is flagged by the candidate, and allowed."""
    write(policies, {"extends": "words", "terms": OTHER})
    found = await decided(bench, ["free coins", "hello"])
    assert [found[text]["action"] for text in ("free coins", "hello")] == ["flag", "allow"]
    assert [found[text]["candidate"]["action"] for text in ("free coins", "hello")] == ["allow", "flag"]
    assert found["hello"]["reasons"] == found["hello"]["hits"] == []


async def test_nothing_but_its_field_differs(settings: Settings, policies: Path) -> None:
    """With and without a candidate, of the same lists or of others, the live decision is the same."""
    texts = ["free coins", "hello", "i will hurt you"]
    plain = await decided(Bench(settings), texts)
    for terms in (STRICT, OTHER):
        write(policies, {"extends": "words", "terms": terms})
        beside = await decided(Bench(settings), texts)
        for text in texts:
            changed = {name for name in plain[text] if plain[text][name] != beside[text][name]}
            assert changed <= {"candidate", "time", "latency_ms"}


async def test_the_share_falls_on_the_same_events_each_time(settings: Settings, policies: Path) -> None:
    """By a hash of the event's id: about a share of them, the same on every worker."""
    texts = [f"text {n}" for n in range(400)]
    write(policies, {"extends": "words", "terms": OTHER}, share=0.25)
    tried = []
    for _ in range(2):
        found = await decided(Bench(settings, partitions=1), texts)
        tried.append({text for text in texts if found[text]["candidate"] is not None})
    assert tried[0] == tried[1]
    assert 60 < len(tried[0]) < 140


async def test_after_its_expiry_nothing_is_tried(bench: Bench, policies: Path) -> None:
    """The clock ends a candidate; no reload is needed."""
    write(policies, {"extends": "words", "terms": STRICT}, until="2020-01-01T00:00:00Z")
    assert (await decided(bench, ["free coins"]))["free coins"]["candidate"] is None


async def test_a_candidate_that_does_not_load_leaves_the_live_policy(bench: Bench, policies: Path) -> None:
    """A broken file, or one that is not there, is said in the status and tries nothing."""
    write(policies, {"extends": "words"}, policy="gone")
    found = await decided(bench, ["free coins"])
    assert (found["free coins"]["action"], found["free coins"]["candidate"]) == ("flag", None)


@pytest.mark.parametrize("terms", [STRICT, OTHER])
@pytest.mark.parametrize("broken", ["judge", "match", "adopt"])
async def test_a_candidate_that_breaks_never_hurts(
    bench: Bench, policies: Path, monkeypatch: pytest.MonkeyPatch, terms: list[Any], broken: str
) -> None:
    """Every event is decided live; where the candidate could not decide, its action is null."""
    write(policies, {"extends": "words", "terms": terms})
    real = getattr(CompiledPolicy, broken)

    def breaks(self: CompiledPolicy, *given: Any) -> Any:
        if self.id == "next":
            raise ValueError("broken on purpose")
        return real(self, *given)

    monkeypatch.setattr(CompiledPolicy, broken, breaks)
    found = await decided(bench, ["free coins", "hello"])
    assert [found[text]["action"] for text in ("free coins", "hello")] == ["flag", "allow"]
    used = {"judge", "adopt"} if terms is STRICT else {"judge", "match"}
    if broken in used:
        assert {found[text]["candidate"]["action"] for text in found} == {None}
    outcomes = bench.worker.metrics.candidates.labels("failed")._value.get()
    assert outcomes == (2 if broken in used else 0)


@pytest.mark.models
async def test_a_new_category_is_scored_for_the_candidate_alone(
    policies: Path, embedded: Models, settings: Settings
) -> None:
    """A second pass of the models on its share; the live decision has neither its scores nor its reasons."""
    words = {"definition": "Offers to sell game accounts for real money", "flag": 0.2}
    examples = {"examples": {"violating": ["selling maxed acct 50$ dm me", "buy my account level 80"]}}
    write(policies, {"extends": "words", "categories": {"trade": words | examples}})
    bench = Bench(load(None, {"policies": policies}), models=embedded)
    found = await decided(bench, ["selling maxed acct 50$ dm", "what a nice day"])
    sold, day = found["selling maxed acct 50$ dm"], found["what a nice day"]
    assert (sold["action"], sold["scores"], sold["candidate"]["action"]) == ("allow", {}, "flag")
    assert sold["candidate"]["reasons"][0]["category"] == "trade"
    assert day["candidate"]["action"] == "allow"
