"""Strikes a run's faults at their times, and heals all of them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ops.chaos.crew import Crew, Member
from ops.chaos.invariants import InForce
from ops.chaos.plan import Fault
from ops.chaos.proxy import Proxy
from ops.chaos.workload import write_policies
from ops.kafka.broker import Broker

_RELOAD_S = 1.0
_LOOK_S = 0.05
_POINT_S = 3.0
MOST_WORKERS = 4
POINTS = dict(enumerate(("send_batch", "send_offsets_to_transaction", "commit_transaction", "commit")))
Say = Callable[[str], None]


class Faults:
    """What can be done to one run. `proxy` and `broker` are None where the broker is somebody else's."""

    def __init__(
        self,
        crew: Crew,
        folder: Path,
        broker: Broker | None,
        proxy: Proxy | None,
        say: Say,
        freeze: str | None = None,
    ) -> None:
        self._crew, self._folder = crew, folder
        self._broker, self._proxy, self._say = broker, proxy, say
        self.hang = folder / "hang"
        self.policies = folder / "policies"
        self.in_force: list[InForce] = []
        self._version = 0
        self._freeze = freeze
        self._strikes = {
            "kill": self._kill,
            "zombie": self._zombie,
            "broker": self._power_cut,
            "cut": self._cut,
            "scale": self._scale,
            "refuse": self._refuse,
            "hang": self._hang,
        }

    def first_policies(self) -> None:
        """Version 0 of the policies."""
        write_policies(self.policies, 0)
        self.in_force.append(InForce(0, time.time() * 1000, float("inf")))

    async def strike(self, plan: Sequence[Fault], began: float) -> None:
        """All faults of the plan, each at its time."""
        async with asyncio.TaskGroup() as tasks:
            for fault in plan:
                tasks.create_task(self._later(fault, began))

    async def _later(self, fault: Fault, began: float) -> None:
        await asyncio.sleep(max(began + fault.at - time.monotonic(), 0.0))
        self._say(str(fault))
        await self._strikes[fault.kind](fault)

    async def _someone(self, choice: float) -> Member:
        """A worker that runs, as soon as there is one."""
        while (member := self._crew.pick(choice)) is None:  # noqa: ASYNC110  # processes announce nothing
            await asyncio.sleep(_LOOK_S)
        return member

    async def _kill(self, fault: Fault) -> None:
        (await self._someone(fault.choice)).signal(signal.SIGKILL)

    async def _zombie(self, fault: Fault) -> None:
        """Half of them at any moment, half in the middle of something: see `worker.freeze_when_told`."""
        member = await self._someone(fault.choice)
        member.stopped = True
        point = self._freeze or POINTS.get(int(fault.choice * 1_000) % (2 * len(POINTS)))
        if point is not None:
            order = self._folder / f"freeze-{member.process.pid}"
            order.write_text(point)
            await self._until_frozen(member)
            order.unlink(missing_ok=True)
        member.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.lasts)
        member.signal(signal.SIGCONT)
        member.stopped = False

    async def _until_frozen(self, member: Member) -> None:
        """Return when the worker has stopped itself, has ended, or does not come to the point in time."""
        for _ in range(int(_POINT_S / _LOOK_S)):
            if member.frozen or not member.alive:
                return
            await asyncio.sleep(_LOOK_S)

    async def _power_cut(self, fault: Fault) -> None:
        assert self._broker is not None, "this broker is not ours to kill. This is a bug."
        await asyncio.to_thread(self._broker.kill)
        await asyncio.sleep(fault.lasts)
        await asyncio.to_thread(self._broker.start)

    async def _cut(self, fault: Fault) -> None:
        assert self._proxy is not None, "nothing here to cut. This is a bug."
        self._proxy.order("cut" if fault.choice < 0.5 else "stall")
        await asyncio.sleep(fault.lasts)
        self._proxy.order("heal")

    async def _scale(self, fault: Fault) -> None:
        before = self._crew.size
        self._crew.size = MOST_WORKERS
        await asyncio.sleep(fault.lasts)
        self._crew.size = before

    async def _refuse(self, fault: Fault) -> None:
        (self._folder / "refuse").touch()  # see `worker.refuse_when_told`
        await asyncio.sleep(fault.lasts)
        (self._folder / "refuse").unlink()

    async def _hang(self, fault: Fault) -> None:
        self.hang.touch()
        await asyncio.sleep(fault.lasts)
        self.hang.unlink()

    async def reload(self) -> None:
        """Another version of the policies every second, until cancelled."""
        while True:
            await asyncio.sleep(_RELOAD_S)
            self._version += 1
            since = time.time() * 1000
            write_policies(self.policies, self._version)
            self.in_force[-1] = self.in_force[-1]._replace(until_ms=time.time() * 1000)
            self.in_force.append(InForce(self._version, since, float("inf")))
