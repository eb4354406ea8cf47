"""The device: off the loop, each ask answered once, the most urgent lane first, an end within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from worker.core.clock import SystemClock
from worker.core.errors import ConfigError, ModelFailed
from worker.core.events import PartType
from worker.core.views import Floats, ModelRef, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.device import BatchReport, Device
from worker.score.lane import LATE, Answer, Ask, Lane


class Half:
    """A scorer that says a half; it waits for its gate, and notes the threads it ran in and the order of its work."""

    ref = ModelRef("half", "1", "sha256:0")
    kind = ViewKind.TEXT

    def __init__(self, order: list[str] | None = None, name: str = "") -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[str] = set()
        self.order = order if order is not None else []
        self.name = name

    def score(self, views: Sequence[View], concepts: Sequence[Any]) -> list[Floats]:
        self.gate.wait(30)
        self.threads.add(threading.current_thread().name)
        self.order.append(self.name)
        if any(view.content == "poison" for view in views):
            raise RuntimeError
        return [np.array([0.5], np.float32) for _ in views]


class Desk:
    """What a caller of the device keeps: answers and reports, and a way to wait for them."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.reports: list[BatchReport] = []
        self.threads: set[str] = set()
        self._more = asyncio.Event()

    def on_done(self, answers: list[Answer]) -> None:
        self.answers += answers
        self.threads.add(threading.current_thread().name)
        self._more.set()

    async def has(self, count: int) -> None:
        while len(self.answers) < count:
            self._more.clear()
            await self._more.wait()


def asks(count: int, content: Any = "fine", cost: int = 1, deadline: float = float("inf")) -> list[Ask]:
    view = View("parts/0", ViewKind.TEXT, (PartType.TEXT,), content, cost)
    return [Ask(view, None, ticket, deadline=deadline) for ticket in range(count)]


def lane(name: str, model: Half, items: int = 8, wait_s: float = 0.0) -> Lane:
    return Lane(name, model, BatchLimits(items, 1000, wait_s), SystemClock())


async def test_each_ask_is_answered_once_on_the_loop_and_judged_off_it() -> None:
    """The model runs in the device's thread, the callback in the loop's."""
    desk, model = Desk(), Half()
    device = Device([lane("text", model)], SystemClock(), desk.on_done, desk.reports.append)
    device.start()
    device.submit("text", asks(30))
    await desk.has(30)
    assert await device.close(5) == 0
    assert sorted(answer.ticket for answer in desk.answers) == list(range(30))
    assert model.threads == {"device-0"}
    assert desk.threads == {threading.current_thread().name}
    assert sum(report.items for report in desk.reports) == 30
    assert max(report.items for report in desk.reports) == 8


async def test_what_one_turn_of_the_loop_submits_leaves_together() -> None:
    """An idle device does not send the first view off alone."""
    desk = Desk()
    device = Device([lane("text", Half())], SystemClock(), desk.on_done, desk.reports.append)
    device.start()
    for one in asks(5):
        device.submit("text", [one])
    await desk.has(5)
    await device.close(5)
    assert [(report.items, report.left_because) for report in desk.reports] == [(5, "idle")]


async def test_a_view_waits_for_company_when_told_to() -> None:
    """With a wait set, a batch that is not full leaves when the wait is over."""
    desk = Desk()
    device = Device([lane("text", Half(), wait_s=0.01)], SystemClock(), desk.on_done, desk.reports.append)
    device.start()
    device.submit("text", asks(1))
    await desk.has(1)
    await device.close(5)
    assert [report.left_because for report in desk.reports] == ["wait"]


async def test_another_lane_is_judged_while_a_batch_runs() -> None:
    """Two threads: text does not wait for speech, and speech that comes meanwhile waits for company."""
    desk, slow = Desk(), Half()
    slow.gate.clear()
    lanes = [lane("speech", slow), lane("text", Half())]
    device = Device(lanes, SystemClock(), desk.on_done, desk.reports.append, threads=2)
    device.start()
    for name in ("speech", "text", "speech", "speech"):
        device.submit(name, asks(1))
        await asyncio.sleep(0)
    await desk.has(1)
    assert [report.lane for report in desk.reports] == ["text"]
    slow.gate.set()
    await desk.has(4)
    await device.close(5)
    assert [(report.lane, report.items) for report in desk.reports] == [("text", 1), ("speech", 1), ("speech", 2)]


async def test_the_lane_with_least_slack_goes_first() -> None:
    """While one batch runs others queue, and the earliest deadline is next."""
    desk, order = Desk(), list[str]()
    first, late, soon = (Half(order, name) for name in ("first", "late", "soon"))
    first.gate.clear()
    lanes = [lane("first", first), lane("late", late), lane("soon", soon)]
    device = Device(lanes, SystemClock(), desk.on_done)
    device.start()
    device.submit("first", asks(1))
    await asyncio.sleep(0)
    now = SystemClock().now()
    device.submit("late", asks(1, deadline=now + 100))
    device.submit("soon", asks(1, deadline=now + 50))
    await asyncio.sleep(0)
    first.gate.set()
    await desk.has(3)
    await device.close(5)
    assert order == ["first", "soon", "late"]


async def test_a_poisoned_view_fails_and_its_neighbours_do_not() -> None:
    """The failure is counted in the batch's report."""
    desk = Desk()
    device = Device([lane("text", Half())], SystemClock(), desk.on_done, desk.reports.append)
    device.start()
    device.submit("text", [*asks(3), *asks(1, "poison")])
    await desk.has(4)
    await device.close(5)
    assert sum(isinstance(answer.result, ModelFailed) for answer in desk.answers) == 1
    assert desk.reports[0].failed == 1


async def test_closing_lets_everything_queued_leave() -> None:
    """A drain answers what was submitted, with no wait for company."""
    desk = Desk()
    device = Device([lane("text", Half(), wait_s=3600)], SystemClock(), desk.on_done, desk.reports.append)
    device.start()
    device.submit("text", asks(3))
    assert await device.close(30) == 0
    assert len(desk.answers) == 3
    assert [report.left_because for report in desk.reports] == ["drain"]


async def test_closing_is_bounded_when_a_model_hangs() -> None:
    """It says how many views have no answer; they get none later."""
    desk, stuck = Desk(), Half()
    stuck.gate.clear()
    device = Device([lane("text", stuck, items=2)], SystemClock(), desk.on_done)
    device.start()
    device.submit("text", asks(5))
    assert await device.close(0.01) == 5
    stuck.gate.set()
    with pytest.raises(ConfigError, match="not running"):
        device.submit("text", asks(1))
    assert desk.answers == []


async def test_an_unknown_lane_is_refused() -> None:
    """The error names it."""
    device = Device([lane("text", Half())], SystemClock(), Desk().on_done)
    device.start()
    with pytest.raises(ConfigError, match="image"):
        device.submit("image", asks(1))
    await device.close(1)


class Hanging(Half):
    """Hangs on batches with a view of `stuck` until its gate is opened."""

    def score(self, views: Sequence[View], concepts: Sequence[Any]) -> list[Floats]:
        if any(view.content == "stuck" for view in views):
            self.gate.wait(30)
        return [np.array([0.5], np.float32) for _ in views]


async def test_a_batch_that_hangs_is_judged_view_by_view_and_the_one_at_fault_is_given_up() -> None:
    """Its neighbours have their scores, each ask one answer, and the answers that come too late are none."""
    desk, model, lost = Desk(), Hanging(), list[int]()
    model.gate.clear()
    device = Device(
        [lane("text", model)],
        SystemClock(),
        desk.on_done,
        hung_s=0.1,
        on_lost=lambda name, count: lost.append(count),
    )
    device.start()
    some = asks(5)
    device.submit("text", [*some[:2], asks(3, "stuck")[2], *some[3:]])
    await desk.has(5)
    model.gate.set()
    device.submit("text", asks(6)[5:])
    await desk.has(6)
    assert await device.close(5) == 0
    assert sorted(answer.ticket for answer in desk.answers) == [0, 1, 2, 3, 4, 5]
    failed = [answer.ticket for answer in desk.answers if isinstance(answer.result, ModelFailed)]
    assert failed == [2]
    assert lost == [1, 2]


async def test_what_nobody_wants_late_is_answered_without_a_model_while_others_wait() -> None:
    """Each is answered once, a drain waits for it, and the model sees only what may still be in time."""
    desk, model = Desk(), Half()
    model.gate.clear()
    device = Device([lane("text", model, items=2)], SystemClock(), desk.on_done, desk.reports.append)
    device.start()
    device.submit("text", asks(1))
    await asyncio.sleep(0)
    past = SystemClock().now() - 1
    device.submit("text", [ask._replace(expendable=True, deadline=past) for ask in asks(3)])
    device.submit("text", asks(2))
    await desk.has(3)
    assert all(answer.result is LATE for answer in desk.answers)
    model.gate.set()
    assert await device.close(5) == 0
    assert len(desk.answers) == 6
    assert sum(report.items for report in desk.reports) == 3
