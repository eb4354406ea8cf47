"""A file of keys or people that is read again once it has changed, so that who is taken out is out within a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from worker.core.clock import Clock
from worker.core.errors import ConfigError

log = structlog.get_logger(__name__)

T = TypeVar("T")
_LOOK_AGAIN_S = 1.0


class Reread(Generic[T]):
    """
    Args:
        read: the file's content; raises ConfigError, whose message holds no secret.
        on_result: told "ok" or "failed" of each change, for metrics.

    Raises:
        ConfigError: it cannot be read at the start. One that cannot be read later leaves in force what was before.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], clock: Clock, on_result: Callable[[str], object]) -> None:
        self._path, self._read, self._clock, self._on_result = path, read, clock, on_result
        self._stamp = self._written()
        self._value = read(path)
        self._looked = clock.now()

    def __call__(self) -> T:
        """What it holds, as of at most a second ago."""
        now = self._clock.now()
        if now - self._looked >= _LOOK_AGAIN_S:
            self._looked = now
            stamp = self._written()
            if stamp != self._stamp:
                self._stamp = stamp
                self._take_up()
        return self._value

    def _take_up(self) -> None:
        try:
            self._value = self._read(self._path)
        except ConfigError as error:
            self._on_result("failed")
            log.error("access.refused", error=str(error), effect="what was before goes on")
        else:
            self._on_result("ok")
            log.info("access.renewed", file=self._path.name)

    def _written(self) -> tuple[int, ...]:
        """Its inode, time and length; nothing for one that is not there."""
        try:
            stat = self._path.stat()
        except OSError:
            return ()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
