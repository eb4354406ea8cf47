"""Messages of a conversation through the whole pipeline: what is split between them is seen where it is completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.flow.conftest import Bench, event
from worker.core.schema_decision import DecisionDocument
from worker.score.profile import Models
from worker.settings import Settings


def message(number: int, speaker: str, text: str, *, stream: str = "room") -> bytes:
    return event(f"{number:04}", text, stream={"id": stream, "seq": number, "speaker": speaker})


async def decide(settings: Settings, messages: list[bytes], models: Models | None = None) -> dict[str, dict[str, Any]]:
    """Decisions by event id."""
    bench = Bench(settings, partitions=1, models=models)
    async with bench.running():
        bench.send(messages)
        await bench.until(len(messages))
    found = {decision["event_id"]: decision for decision in bench.decisions()}
    for decision in found.values():
        DecisionDocument.model_validate(decision)
    return found


async def test_a_threat_in_three_messages_is_blocked_where_it_is_completed(settings: Settings) -> None:
    """The first two are allowed, the third is blocked by the state, and the harmless one after it goes its way."""
    texts = ["i will", "hurt", "you", "lol"]
    found = await decide(settings, [message(i, "ann", text) for i, text in enumerate(texts)])
    assert [found[f"{i:04}"]["action"] for i in range(4)] == ["allow", "allow", "block", "allow"]
    third = found["0002"]
    assert third["reasons"] == []  # the verdict itself stays
    assert [one["cause"] for one in third["overrides"]] == ["call_state"]
    assert third["call"]["transition"]
    assert third["call"]["changed"][0] | {"t0": 0, "t1": 0} == {
        "kind": "speaker",
        "speaker": "ann",
        "category": "threat",
        "before": "allow",
        "after": "block",
        "cause": "agreed",
        "t0": 0,
        "t1": 0,
    }
    assert found["0003"]["call"]["state"] == "block"
    assert not found["0003"]["call"]["transition"]


async def test_what_two_people_say_together_is_seen_in_the_exchange(settings: Settings) -> None:
    """Between other speakers, and each in the window of everyone."""
    found = await decide(settings, [message(0, "ann", "i will"), message(1, "bob", "hurt you")])
    assert found["0001"]["action"] == "block"
    assert found["0001"]["call"]["changed"][0]["kind"] == "exchange"


async def test_conversations_do_not_mix(settings: Settings) -> None:
    """Neither with another stream nor with an event without one."""
    events = [message(0, "ann", "i will"), message(1, "ann", "hurt you", stream="other"), event("x", "hurt you")]
    found = await decide(settings, events)
    assert {decision["action"] for decision in found.values()} == {"allow"}
    assert found["x"]["call"] is None
    assert found["0001"]["call"]["kind"] == "conversation"


async def test_a_policy_may_read_every_message_by_itself(settings: Settings, policies: Path) -> None:
    """`messages` and `exchange` at 0."""
    policy = orjson.loads((policies / "words.json").read_bytes()) | {"calls": {"messages": 0, "exchange": 0}}
    (policies / "words.json").write_bytes(orjson.dumps(policy))
    found = await decide(settings, [message(0, "ann", "i will"), message(1, "ann", "hurt you")])
    assert found["0001"]["action"] == "allow"


@pytest.mark.timeout(120)
async def test_the_text_model_reads_messages_together(with_models: Settings, embedded: Models) -> None:
    """Under the default policy: a threat in three messages, with somebody else's harmless ones between."""
    lines = [("ann", "i am going to"), ("bob", "brb"), ("ann", "find your house"), ("ann", "and kill you tonight")]
    found = await decide(with_models, [message(i, *line) for i, line in enumerate(lines)], embedded)
    assert found["0001"]["action"] == "allow"
    assert found["0003"]["action"] != "allow"
    assert found["0003"]["call"]["state"] != "allow"


NAMED = {
    "one word a message": (
        [("ann", "kill"), ("bob", "brb"), ("ann", "your"), ("ann", "self")], "self-harm"
    ),
    "a threat and its target": (
        [("ann", "i will be at your door tonight"), ("ann", "with a knife")], "harassment/threatening"
    ),
    "grooming step by step": (
        [
            ("max", "how old are you?"),
            ("kim", "im 12"),
            ("max", "do you like older guys"),
            ("max", "are you home alone"),
            ("kim", "yes"),
            ("max", "can you keep a secret"),
            ("max", "what are you wearing"),
            ("max", "send me a picture"),
        ],
        "sexual/minors",
    ),
}  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("lines", "category"), NAMED.values(), ids=NAMED)
async def test_what_no_message_says_by_itself_is_blocked_where_it_is_completed(
    with_models: Settings, embedded: Models, lines: list[tuple[str, str]], category: str
) -> None:
    """Under the default policy the last message passes nothing, and is blocked with those before it."""
    found = await decide(with_models, [message(i, *line) for i, line in enumerate(lines)], embedded)
    last, speaker = found[f"{len(lines) - 1:04}"], lines[-1][0]
    assert (last["action"], last["reasons"]) == ("block", [])
    assert [one["cause"] for one in last["overrides"]] == ["call_state"]
    assert category in {name for window in last["call"]["windows"] for name in window["passed"]}
    assert (last["call"]["speaker"], last["call"]["state"]) == (speaker, "block")
