"""Is the input keyed as its order and the caps need it: all events of one actor or stream in one partition."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from worker.core.errors import ConfigError, NotAnEvent
from worker.core.records import Record
from worker.decode.decoder import EventDecoder
from worker.settings import Settings

_MOST_RECORDS = 2_000
_LOOK_S = 2.0


async def look_at_keying(settings: Settings) -> str:
    """
    Read the first records of the input topic, at most 2,000 and for two seconds; commits nothing.

    Raises:
        ConfigError: some actor or stream stands in several partitions.
        TransportUnavailable: the queue does not answer.
    """
    from worker.app import make_tail

    tail = make_tail(settings, (settings.topics.events,), from_beginning=True)
    records: list[Record] = []
    try:
        await tail.start()
        ends = asyncio.get_running_loop().time() + _LOOK_S
        while len(records) < _MOST_RECORDS and (left := ends - asyncio.get_running_loop().time()) > 0:
            found = await tail.read(max_records=_MOST_RECORDS - len(records), timeout_s=left)
            if not found:
                break
            records += found
    finally:
        await tail.stop()
    return judge_keying(settings, records)


def judge_keying(settings: Settings, records: Sequence[Record]) -> str:
    """What `records` say of the keying; raises ConfigError as above."""
    places: dict[str, set[int]] = {}
    decoder = EventDecoder(settings.limits)
    for record in records:
        try:
            key = decoder.envelope(record).order_key if record.value is not None else ""
        except NotAnEvent:
            continue
        if "\ni" not in key and key:  # an event that names neither stream nor actor is ordered with nothing
            places.setdefault(key, set()).add(record.position.partition)
    spread = sum(len(partitions) > 1 for partitions in places.values())
    if spread:
        capped = " and the cap on blocks of an actor" if settings.breaker.actor_blocks_per_hour else ""
        raise ConfigError(
            f"{spread} of {len(places)} actors and streams in the first {len(records)} records stand in several "
            f"partitions, so their order{capped} cannot hold: produce with tenant/stream, else tenant/actor, as the key"
        )
    return f"{len(places)} actors and streams in the first {len(records)} records, each in one partition"
