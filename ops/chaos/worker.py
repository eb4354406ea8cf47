"""
The worker as it ships, with what only chaos needs around it: stand-in models, records that kill, and mutations.

Nothing of the worker's own code is changed unless `--mutation` asks for it, to prove that the verifier would notice.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import signal
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaStorageError

from ops.chaos.mutations import MUTATIONS, mutate
from ops.chaos.standin import standin_models
from ops.chaos.workload import KIND
from worker import services
from worker.core import log
from worker.core.records import Record
from worker.decode import opening
from worker.decode.decoder import EventDecoder
from worker.settings import load


class KillingDecoder(EventDecoder):
    """The decoder; a poison record ends the process the moment it is touched."""

    def envelope(self, record: Record) -> Any:
        """As the decoder's own, or not at all."""
        if any(name == KIND and value == b"poison" for name, value in record.headers or ()):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().envelope(record)


def freeze_when_told(folder: Path) -> None:
    """SIGSTOP this process in the middle of the call that the file `freeze-PID` names, once it is there."""
    order = folder / f"freeze-{os.getpid()}"
    for name in ("send_batch", "send_offsets_to_transaction", "commit_transaction"):
        _freezing(AIOKafkaProducer, name, order)
    _freezing(AIOKafkaConsumer, "commit", order)


def _freeze(order: Path, name: str) -> None:
    if order.exists() and order.read_text() == name:
        order.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


def _freezing(owner: Any, name: str, order: Path) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    async def call(*words: Any, **options: Any) -> Any:
        _freeze(order, name)
        return await plain(*words, **options)

    setattr(owner, name, call)


def refuse_when_told(folder: Path) -> None:
    """While the file `refuse` is there, sends to the dead-letter topic end as they do when the disk is full."""
    order, plain = folder / "refuse", AIOKafkaProducer.send_batch

    @functools.wraps(plain)
    async def send_batch(self: AIOKafkaProducer, batch: Any, topic: str, *, partition: int) -> Any:
        if topic.endswith("dead_letter") and _is_there(order):
            raise KafkaStorageError(f"no space left for {topic}")
        return await plain(self, batch, topic, partition=partition)

    AIOKafkaProducer.send_batch = send_batch


def _is_there(order: Path) -> bool:
    return order.exists()


def main() -> None:
    """`python -m ops.chaos.worker -c FILE [--standin] [--hang FILE] [--mutation NAME]`."""
    parser = argparse.ArgumentParser(prog="python -m ops.chaos.worker", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="settings, as for tidegate run")
    parser.add_argument("--standin", action="store_true", help="stand-in models instead of the profile's")
    parser.add_argument("--hang", type=Path, help="while this file exists the stand-in scorer does not come back")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="break the worker in this way")
    given = parser.parse_args()
    settings = load(given.config)
    log.configure(level=settings.log_level)
    assert vars(opening)["EventDecoder"] is EventDecoder, "poison would do nothing: the decoder is made elsewhere now"
    vars(opening)["EventDecoder"] = KillingDecoder
    freeze_when_told(given.config.parent)
    refuse_when_told(given.config.parent)
    if given.standin:
        vars(services)["load_models"] = lambda *_: standin_models(given.hang)
    if given.mutation:
        mutate(given.mutation)
    asyncio.run(services.run_worker(settings))


if __name__ == "__main__":
    main()
