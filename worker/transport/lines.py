"""Event lines in, decision lines out, in input order: the queue of `tidegate moderate`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from worker.core.ports import NO_MARKS, Revoked
from worker.core.records import Order, Outgoing, Partition, Position, Record, Route, TransportHealth

TOPIC = "lines"


class LinesTransport:
    """
    One partition made of an iterator of lines; blank ones are passed over. An offset is a line's number from 0.

    Args:
        lines: read in a thread, so it may block on a pipe.
        on_outgoing: called once for each line's terminal record, in the lines' order.
    """

    order = Order.BY_PARTITION

    def __init__(self, lines: Iterator[bytes], on_outgoing: Callable[[Outgoing], None]) -> None:
        self._lines = ((number, line) for number, line in enumerate(lines) if line.strip())
        self._on_outgoing = on_outgoing
        self._read = 0  # offset behind the last line read
        self._answered = 0
        self._exhausted = False
        self.finished = asyncio.Event()  # set when every line has been answered

    async def start(self, on_revoked: Revoked) -> None:
        """Nothing to join."""

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says."""
        if self._exhausted or not max_records:
            await asyncio.sleep(min(timeout_s, 0.05))
            return []
        lines = await asyncio.to_thread(lambda: list(islice(self._lines, max_records)))
        if not lines:
            self._exhausted = True
            self._tell()
        else:
            self._read = lines[-1][0] + 1
        return [Record(Position(TOPIC, 0, number), None, line.rstrip(b"\r\n"), (), 0) for number, line in lines]

    def marks(self) -> Mapping[Partition, str]:
        """None: a line that ends the process ends the command."""
        return NO_MARKS

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """As the port says."""
        for record in outgoing:
            if record.route is not Route.REVIEW:  # whoever asks line by line sees every answer anyway
                self._on_outgoing(record)
        self._answered = offsets.get(Partition(TOPIC, 0), self._answered)
        self._tell()

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """Nothing to store: lines are read once."""

    def health(self) -> TransportHealth:
        """As the port says."""
        return TransportHealth(True, (Partition(TOPIC, 0),), "lines of a file or pipe", {})

    async def stop(self) -> None:
        """Nothing to close."""

    def _tell(self) -> None:
        if self._exhausted and self._answered == self._read:
            self.finished.set()
