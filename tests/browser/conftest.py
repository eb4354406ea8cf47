"""A console over a real run with the real models, served from a thread of its own, and a real Chromium."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ops.browser import FLAGS, chromium
from tests.flow.conftest import embedded
from tests.flow.console import Console, console, text_event
from tests.flow.test_calls import RATE, THREAT, chunk_events, recorded, silence
from worker.app import load_models
from worker.cli.demo import bundled
from worker.score.profile import Models
from worker.settings import load

expect.set_options(timeout=30_000)  # on a busy machine
HOSTILE = "<img src=x onerror=document.title='owned'>"
__all__ = ["embedded"]


class Served:
    """A console on a loop in a thread; `do` runs a coroutine there and waits for it."""

    def __init__(self, console: Console, loop: asyncio.AbstractEventLoop) -> None:
        self.console, self._loop = console, loop

    @property
    def address(self) -> str:
        return f"{self.console.base}/console/"

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[Served]:
    """Serve what `make` opens, an async context manager that gives a `Console`, while the block runs."""
    ready, failed = threading.Event(), list[BaseException]()
    held: dict[str, Any] = {}

    async def live() -> None:
        held["loop"], held["stop"] = asyncio.get_running_loop(), asyncio.Event()
        async with make() as found:
            held["console"] = found
            ready.set()
            await held["stop"].wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001  # the test says it
            failed.append(error)
        ready.set()

    thread = threading.Thread(target=run, name="console")
    thread.start()
    ready.wait(60)
    if failed:
        raise failed[0]
    try:
        yield Served(held["console"], held["loop"])
    finally:
        held["loop"].call_soon_threadsafe(held["stop"].set)
        thread.join(30)


@pytest.fixture(scope="package")
def words() -> Models:
    """Lists alone."""
    return load_models(load(None, {"models.profile": "words"}).models.model_dump())


@pytest.fixture(scope="package")
def stand(tmp_path_factory: pytest.TempPathFactory, embedded: Models) -> Iterator[Served]:
    """The demo's events, a conversation, a call, a hostile id and a dead letter, judged by the models that ship."""
    folder: Path = tmp_path_factory.mktemp("console")
    with serving(lambda: console(folder, embedded, shipped=True, console__write=True)) as served:
        events: list[Any] = [event for _, event in bundled()]
        for number, text in enumerate(("hi all", "you are so stupid", "you are a worthless idiot", "shut up, idiot")):
            stream = {"id": "lobby", "seq": number, "speaker": "u-1"}
            events.append(text_event(f"chat-{number}", text, "demo", stream=stream))
        events.append(text_event(HOSTILE, "I will find you and hurt you", "demo"))
        served.do(served.console.send([*events, b"no event"], len(events)))
        spoken = np.concatenate([silence(3), recorded(THREAT), silence(8)])[: 12 * RATE]
        served.do(served.console.send(chunk_events(spoken, 1.0), key=b"call-1"))
        yield served


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, once."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails its test by any error of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    found = context.new_page()
    found.set_default_timeout(20_000)
    errors: list[str] = []
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
    yield found
    context.close()
    assert errors == []
