"""Signals: the first one drains, the second one stops at once."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
import typer

from worker.cli.run import ended_by_signal
from worker.lifecycle import stop_on_signals


def test_the_first_signal_asks_for_a_drain_and_the_second_ends_it() -> None:
    """A real SIGTERM to this process, then a SIGINT while the drain goes on for ever."""
    seen: list[str] = []

    async def life() -> None:
        stopping = asyncio.Event()
        with stop_on_signals(stopping.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await stopping.wait()
            seen.append("draining")
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(life())
    assert seen == ["draining"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_signal_ends_the_command_with_130() -> None:
    """Not with a traceback."""
    with pytest.raises(typer.Exit) as ended, ended_by_signal():
        raise asyncio.CancelledError
    assert ended.value.exit_code == 130


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["as usual", "in the background"])
def test_signals_are_ours_only_while_the_block_runs(before: Any) -> None:
    """What was before is back: a process begun in the background ignores Ctrl-C."""
    usual = signal.signal(signal.SIGINT, before)

    async def life() -> None:
        with stop_on_signals(lambda: None):
            assert signal.getsignal(signal.SIGINT) is not before

    try:
        asyncio.run(life())
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, usual)
