"""Boxes: decoders' processes, as many as decode at once. One that hangs, dies or talks nonsense is replaced."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict, Field

from worker.core.errors import OverLimit, PartUnreadable
from worker.core.events import Degradation, ImagePart
from worker.decode.box.wire import BrokenWireError, Said, receive, send
from worker.decode.image import FRAMES
from worker.decode.media import Clip

log = structlog.get_logger(__name__)

_TRIES: Final = 2  # a process may die of the part before, or of the machine: the second death convicts
_WORDS: Final = 300  # characters of a reason
_MOST_RATE: Final = 384_000
# What a decoder may say of a part: it is not trusted with words that others read.
_CODES: Final = frozenset({
    "image_format", "image_truncated", "image_damaged", "image_too_large", "image_frames_damaged",
    "audio_format", "audio_damaged", "decoder_memory",
})  # fmt: skip


class DecodingSettings(BaseModel):
    """Bounds on the codecs that read pictures and sound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    isolated: bool = Field(True, description="decode in processes of their own; off, a codec's crash ends the worker")
    part_s: float = Field(10.0, gt=0, description="longest decoding of one picture or clip, when isolated")
    memory_mb: int = Field(2_048, ge=256, description="address space of a decoder's process, when isolated")


class _Box:
    """One process and the line to it."""

    def __init__(self, settings: DecodingSettings, module: str) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-s", "-m", module, str(theirs.fileno())]
            command += [str(settings.part_s), str(settings.memory_mb << 20)]
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
            )

    def ask(self, asked: Said, data: bytes, most: int, until: float) -> tuple[Said, bytearray]:
        send(self._line, asked, data, until)
        return receive(self._line, most, until)

    def end(self) -> int:
        """Kill it; what it ended with, negative for a signal."""
        self._line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(0.2)  # one that died by itself says of what
        self._process.kill()
        return self._process.wait()


class Boxes:
    """
    Port `Media` over processes. Called from any thread; each call has a process to itself.

    A part that is not decoded within `part_s`, or that kills its process twice, is PartUnreadable `decoder_slow` or
    `decoder_died`: its neighbours and the worker never notice.

    Args:
        module: what a process runs.
    """

    def __init__(self, settings: DecodingSettings, *, module: str = "worker.decode.box") -> None:
        self._settings, self._module = settings, module
        self._lock = threading.Lock()
        self._idle: list[_Box] = []
        self._closed = False

    def image(self, data: bytes, path: str, *, max_pixels: int, max_side: int) -> tuple[ImagePart, Degradation | None]:
        """As the port says."""
        asked = {"what": "image", "path": path, "max_pixels": max_pixels, "max_side": max_side}
        said, found = self._decode(asked, data, FRAMES * max_side * max_side * 3)
        try:
            frames = np.frombuffer(found, np.uint8).reshape([int(n) for n in said["shape"]])
            scale = float(said["scale"])
            problem = None if said["problem"] is None else Degradation(*map(_plain, said["problem"]))
        except (KeyError, TypeError, ValueError):
            raise _died("nonsense") from None
        if frames.ndim != 4 or frames.shape[3] != 3 or not 0 < len(frames) <= FRAMES or not 0 < scale < math.inf:
            raise _died("nonsense")
        if problem is not None:
            problem = Degradation("image_frames_damaged", "failed", path, problem.reason)
        return ImagePart(path, frames, scale), problem

    def clip(self, data: bytes, max_seconds: float) -> Clip:
        """As the port says."""
        asked = {"what": "clip", "max_seconds": max_seconds}
        said, found = self._decode(asked, data, int((max_seconds + 1) * _MOST_RATE * 4))
        try:
            rate = int(said["rate"])
            mono = np.frombuffer(found, np.float32)
        except (KeyError, TypeError, ValueError):
            raise _died("nonsense") from None
        if not 0 < rate <= _MOST_RATE or len(mono) > max_seconds * rate:
            raise _died("nonsense")
        return Clip(mono, rate, said.get("cut") is True, said.get("broken") is True)

    def close(self) -> None:
        """End the processes that are idle; those at work end when their call does."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for box in idle:
            box.end()

    def _decode(self, asked: Said, data: bytes, most: int) -> tuple[Said, bytearray]:
        ended = "nonsense"
        for _ in range(_TRIES):
            box = self._take()
            try:
                said, found = box.ask(asked, data, most, time.monotonic() + self._settings.part_s)
            except TimeoutError:
                box.end()
                log.warning("decoder.slow", what=asked["what"], after_s=self._settings.part_s, bytes=len(data))
                reason = f"the part was not decoded within decoding.part_s {self._settings.part_s:g}"
                raise PartUnreadable("decoder_slow", reason) from None
            except (BrokenWireError, EOFError):
                ended = f"exit status {box.end()}"
                log.warning("decoder.died", what=asked["what"], ended=ended, bytes=len(data))
                continue
            self._give_back(box)
            if "error" in said:
                raise _refusal(said["error"])
            return said, found
        raise _died(ended)

    def _take(self) -> _Box:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Box(self._settings, self._module)

    def _give_back(self, box: _Box) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(box)
                return
        box.end()


def _refusal(said: Any) -> PartUnreadable:
    try:
        code, reason, over = said
    except (TypeError, ValueError):
        return _died("nonsense")
    if code not in _CODES:
        return _died("nonsense")
    return OverLimit(code, _plain(reason)) if over is True else PartUnreadable(code, _plain(reason))


def _plain(words: Any) -> str:
    return "".join(c for c in str(words)[:_WORDS] if c.isprintable())


def _died(ended: str) -> PartUnreadable:
    return PartUnreadable("decoder_died", f"decoding the part killed the decoder's process {_TRIES} times: {ended}")


def _environment() -> dict[str, str]:
    """None of the worker's own: secrets stand there. One thread, since as many processes as threads decode."""
    paths = [str(Path(entry).resolve()) for entry in sys.path]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
