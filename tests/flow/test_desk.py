"""The desk: events from inside are judged as the queue's are, publish nothing, and hold no more than their bound."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.flow.conftest import Bench, event
from worker.core.errors import NotAnEvent
from worker.core.ports import Policy
from worker.pipeline.desk import Desk
from worker.score.profile import Models
from worker.settings import Settings

THREAT = "I will find you and hurt you"


async def policy_of(bench: Bench) -> Policy:
    """Acme's policy, once the worker has loaded it."""
    await bench.worker.policies.load()
    policy = bench.worker.policies.of("acme")
    assert policy is not None
    return policy


async def test_lists_decide_at_the_desk_too(settings: Settings) -> None:
    """Without a model, and without anything in the queue's outputs."""
    bench = Bench(settings)
    async with bench.running():
        policy = await policy_of(bench)
        judged = await bench.worker.desk.judge([event("1", "free coins"), event("2", "hello")], policy)
        assert [one.verdict.action.label for one in judged] == ["flag", "allow"]
        assert [one.event.id for one in judged] == ["1", "2"]
    assert bench.out() == []
    assert bench.held == (0, 0)


@pytest.mark.models
async def test_scores_at_the_desk_are_those_of_the_queue(with_models: Settings, embedded: Models) -> None:
    """The same lanes and the same models, beside traffic."""
    bench = Bench(with_models, models=embedded)
    texts = [THREAT, "have a nice day", "see you tomorrow"]
    events = [event(str(i), text) for i, text in enumerate(texts)]
    async with bench.running():
        policy = await policy_of(bench)
        bench.send(events)
        judged = await bench.worker.desk.judge(events, policy)
        await bench.until(len(events))
    decisions = {d["event_id"]: d for d in bench.decisions()}
    for one in judged:
        assert one.verdict.action.label == decisions[one.event.id]["action"]
        assert one.findings.scores is not None


async def test_the_desk_holds_no_more_than_its_bound(settings: Settings) -> None:
    """What is over waits its turn, and each is answered."""
    bench = Bench(settings)
    async with bench.running():
        worker = bench.worker
        policy = await policy_of(bench)
        desk = Desk(worker.flow, worker.desk._judging, worker.desk._decoder, worker.desk._threads, events=3)
        many = [event(str(i), "free coins") for i in range(10)]
        both = await asyncio.gather(desk.judge(many, policy), desk.judge(many, policy))
        assert [len(judged) for judged in both] == [10, 10]
        assert desk._credits.held == (0, 0)


async def test_what_is_no_event_is_refused_whole(settings: Settings) -> None:
    """Before anything is judged."""
    bench = Bench(settings)
    async with bench.running():
        policy = await policy_of(bench)
        with pytest.raises(NotAnEvent):
            await bench.worker.desk.judge([event("1", "x"), orjson.dumps({"id": "2"})], policy)
