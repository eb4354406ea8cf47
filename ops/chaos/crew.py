"""The workers as processes, watched over as systemd would: what ends unasked is started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_LOOK_S = 0.1
_START_S = 60.0
_KILL_S = 20.0  # past this a worker asked to stop counts as hung


class Member:
    """One worker process."""

    def __init__(self, number: int, words: Sequence[str], log: Path) -> None:
        self.number = number
        self._log = log
        self.process = subprocess.Popen(words, stdout=log.open("ab"), stderr=subprocess.STDOUT)
        self.stopped = False  # by SIGSTOP
        self.asked: float | None = None  # monotonic seconds of its SIGTERM

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def began(self) -> bool:
        """True when it has said anything: before that it imports, has read nothing and handles no signal."""
        return self._log.stat().st_size > 0

    @property
    def frozen(self) -> bool:
        """True when the process is stopped, by us or by itself."""
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def signal(self, how: signal.Signals) -> None:
        """Send a signal to a process that may have ended just now."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)

    def resident(self) -> int:
        """Bytes in memory now; 0 when it has ended."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")


class Crew:
    """
    As many workers as `size` says.

    Args:
        words: the command of one worker.
        folder: where its log goes.
    """

    def __init__(self, words: Sequence[str], folder: Path, size: int) -> None:
        self._words, self._folder = words, folder
        self.size = size
        self.members: list[Member] = []
        self.ends: list[int] = []  # exit codes that nobody asked for
        self.drains: list[tuple[int, float]] = []  # exit code and seconds after a SIGTERM
        self.peak = 0  # bytes of the largest worker seen
        self._started = 0

    async def watch(self) -> None:
        """Keep the crew at its size until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """One look: bury the dead, start or stop what `size` asks for."""
        for member in list(self.members):
            self.peak = max(self.peak, member.resident())
            if member.asked is not None and member.alive and time.monotonic() - member.asked > _KILL_S:
                member.signal(signal.SIGKILL)
            if not member.alive:
                self.members.remove(member)
                code = member.process.returncode
                if member.asked is not None:
                    if member.began:
                        self.drains.append((code, time.monotonic() - member.asked))
                else:
                    self.ends.append(code)
        staying = [member for member in self.members if member.asked is None]
        for member in staying[self.size :]:
            member.asked = time.monotonic()
            member.signal(signal.SIGTERM)
        for _ in range(self.size - len(staying)):
            self._start()

    @property
    def last_log(self) -> Path:
        """Of the worker that was started last."""
        return self._folder / f"worker-{self._started}.log"

    def _start(self) -> None:
        self._started += 1
        self.members.append(Member(self._started, self._words, self.last_log))

    def pick(self, choice: float) -> Member | None:
        """One of the workers that run; None when there is none."""
        running = [m for m in self.members if m.alive and m.began and m.asked is None and not m.stopped]
        return running[int(choice * len(running))] if running else None

    async def begun(self) -> None:
        """Wait for the first worker that has begun."""
        async with asyncio.timeout(_START_S):
            while self.pick(0.0) is None:  # noqa: ASYNC110  # processes announce nothing
                await asyncio.sleep(_LOOK_S)

    async def disband(self) -> None:
        """Ask all to stop and wait until they have."""
        self.size = 0
        while self.members:
            for member in self.members:
                if member.stopped:
                    member.signal(signal.SIGCONT)
                    member.stopped = False
            self.look()
            await asyncio.sleep(_LOOK_S)

    def kill(self) -> None:
        """End whatever is left, at once."""
        for member in self.members:
            member.signal(signal.SIGKILL)
            member.process.wait()


def command(config: Path, *more: str) -> list[str]:
    """One worker's command line."""
    return [sys.executable, "-m", "ops.chaos.worker", "-c", str(config), *more]
