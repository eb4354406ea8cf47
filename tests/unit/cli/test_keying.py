"""The doctor's look at keys: order and caps need all events of an actor in one partition."""

from __future__ import annotations

import orjson
import pytest

from worker.cli.keying import judge_keying
from worker.core.errors import ConfigError
from worker.core.records import Position, Record
from worker.settings import load


def record(partition: int, offset: int, value: bytes | None) -> Record:
    return Record(Position("events", partition, offset), None, value, (), 0)


def event(id: str, **more: object) -> bytes:
    return orjson.dumps({"id": id, "tenant": "acme", "parts": [{"type": "text", "text": "hello"}], **more})


def test_actors_and_streams_that_stay_in_one_partition_are_well() -> None:
    """Events that name nobody may stand anywhere; what is no event is passed over."""
    records = [
        record(0, 0, event("1", context={"actor": "a"})),
        record(0, 1, event("2", context={"actor": "a"})),
        record(1, 0, event("3", stream={"id": "s"})),
        record(1, 1, event("4")),
        record(0, 2, event("4")),
        record(0, 3, b"no event"),
        record(1, 2, None),
    ]
    assert judge_keying(load(), records) == "2 actors and streams in the first 7 records, each in one partition"


def test_an_actor_in_two_partitions_is_named_by_number_with_the_remedy() -> None:
    """Never by who it is; the cap is named when there is one."""
    records = [record(number, 0, event(str(number), context={"actor": "someone"})) for number in (0, 1)]
    with pytest.raises(ConfigError, match=r"1 of 1 actors .* so their order cannot hold: produce with") as found:
        judge_keying(load(), records)
    assert "someone" not in str(found.value)
    with pytest.raises(ConfigError, match="order and the cap on blocks of an actor"):
        judge_keying(load(None, {"breaker.actor_blocks_per_hour": 5}), records)
