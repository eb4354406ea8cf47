"""One schedule: real workers over a simulated queue, struck at random."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from random import seed as seed_everyone

from ops.chaos.workload import workload
from tests.simulation.checks import check
from tests.simulation.crew import LIMIT_S, Crew
from tests.simulation.loop import VirtualLoop
from tests.simulation.queue import Chances, Queue, position
from tests.simulation.wiring import simulated, small_settings
from worker.core.records import Order, Record

PARTITIONS = 3
_BINARY = ("image", "audio")  # decoding them takes real milliseconds, and the loop is what is tried here


@dataclass
class Schedule:
    """One seed's schedule and what came of it."""

    seed: int
    order: Order
    records: int = 40
    queue: Queue = field(init=False)
    found: list[str] = field(default_factory=list)

    def run(self, folder: Path) -> list[str]:
        """Run to the end; what is wrong with the outcome, nothing when all holds."""
        random = Random(f"{self.seed} {self.order.value}")
        seed_everyone(self.seed)  # pauses between retries are drawn from the module's own generator
        loop = VirtualLoop(random, shuffle=random.random() < 0.5)
        try:
            with simulated(random):
                loop.run_until_complete(self._run(random, folder))
        finally:
            loop.close()
        self.found += [f"loop: {context.get('exception') or context['message']}" for context in loop.errors]
        return self.found + list(check(self.queue))

    async def _run(self, random: Random, folder: Path) -> None:
        chances = Chances(*random.choice([(0.0, 0.0), (0.1, 0.1), (0.3, 0.3)]), random.choice([0.001, 0.02, 0.5]))
        self.queue = Queue(random, self.order, list(_records(self.seed, self.records, random)), chances)
        crew = Crew(self.queue, small_settings(folder, random), self.found)
        striking = asyncio.create_task(crew.strike(random))
        try:
            async with asyncio.timeout(LIMIT_S):
                while not self.queue.done:  # noqa: ASYNC110  # virtual time costs nothing
                    await asyncio.sleep(0.5)
        except TimeoutError:
            behind = {p.number: self.queue.committed.get(p, (0, ""))[0] for p in self.queue.partitions}
            self.found.append(f"stuck: committed no further than {behind} after {LIMIT_S:.0f} s")
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)
        await crew.disband()


def _records(seed: int, count: int, random: Random) -> Iterator[Record]:
    ends: Counter[int] = Counter()
    for made in workload(seed, count * 2, poison=False):
        if made.kind in _BINARY or sum(ends.values()) >= count:
            continue
        number = int(made.key.decode().rpartition("/u")[2]) % PARTITIONS
        headers = (("chaos-kind", made.kind.encode()),)
        yield Record(position(number, ends[number]), made.key, made.value, headers, 1_800_000_000_000)
        ends[number] += 1
