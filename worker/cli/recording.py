"""Recordings and microphones as the chunk events of a call: one speaker a channel."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import soundfile

from worker.core.clock import Clock
from worker.core.errors import ConfigError

MIC_RATE = 16_000
_BLOCK_S = 10

Pcm = npt.NDArray[np.int16]


class Piece(NamedTuple):
    """A chunk of one speaker, int16 [T]; `at_s` is where it begins in the call."""

    speaker: str
    samples: Pcm
    rate: int
    place: int
    at_s: float
    last: bool

    @property
    def until_s(self) -> float:
        return self.at_s + len(self.samples) / self.rate


class Pace:
    """The pace of a recording: each chunk when its last sample has been spoken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now()

    def wait_s(self, piece: Piece) -> float:
        """Seconds until the piece is due; 0.0 when it is late."""
        return max(self._began + piece.until_s - self._clock.now(), 0.0)


def speakers(channels: int) -> list[str]:
    """The channels' names: two are the two ends of a call."""
    if channels == 2:
        return ["left", "right"]
    return ["speaker"] if channels == 1 else [f"channel-{number + 1}" for number in range(channels)]


def pieces_of_file(path: Path, chunk_s: float) -> Iterator[Piece]:
    """
    A sound file in chunks, each channel a speaker.

    Raises:
        ConfigError: the file is not there or is no sound.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file: give a recording, `mic`, or - for raw samples")
    try:
        with soundfile.SoundFile(path) as file:
            length = max(round(chunk_s * file.samplerate), 1)
            names, place, ahead = speakers(file.channels), 0, file.read(length, dtype="int16", always_2d=True)
            while len(ahead):
                block, ahead = ahead, file.read(length, dtype="int16", always_2d=True)
                for channel, name in enumerate(names):
                    at_s = place * length / file.samplerate
                    yield Piece(name, block[:, channel].copy(), file.samplerate, place, at_s, not len(ahead))
                place += 1
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{path}: no sound that can be read: {error}") from None


def pieces_of_stream(read: Callable[[int], bytes], rate: int, channels: int, chunk_s: float) -> Iterator[Piece]:
    """Raw interleaved 16-bit little-endian samples, as they come; the last piece is one that comes short."""
    frames, width, place, names = max(round(chunk_s * rate), 1), 2 * channels, 0, speakers(channels)
    last = False
    while not last:
        data = read(frames * width)
        last = len(data) < frames * width
        block = np.frombuffer(data[: len(data) // width * width], "<i2").reshape(-1, channels)
        for channel, name in enumerate(names):
            yield Piece(name, block[:, channel].copy(), rate, place, place * frames / rate, last)
        place += 1


def microphone(chunk_s: float) -> Iterator[Piece]:
    """
    The default microphone, until interrupted.

    Raises:
        ConfigError: sounddevice is not installed, or finds no device.
    """
    try:
        import sounddevice
    except (ImportError, OSError):
        remedy = "pip install 'tidegate[mic]' and PortAudio, or pipe raw samples: arecord -f S16_LE -r 16000 | … call -"
        raise ConfigError(f"there is nothing here to record with: {remedy}") from None
    try:
        stream = sounddevice.RawInputStream(samplerate=MIC_RATE, channels=1, dtype="int16")
    except sounddevice.PortAudioError as error:
        raise ConfigError(f"no microphone: {error}") from None
    with stream:
        yield from pieces_of_stream(lambda size: bytes(stream.read(size // 2)[0]), MIC_RATE, 1, chunk_s)


def pieces(source: str, chunk_s: float, *, rate: int = MIC_RATE, channels: int = 1) -> Iterator[Piece]:
    """A file's, the microphone's for `mic`, those of standard input for `-`."""
    if source == "-":
        return pieces_of_stream(sys.stdin.buffer.read, rate, channels, chunk_s)
    return microphone(chunk_s) if source == "mic" else pieces_of_file(Path(source), chunk_s)


def event_of(piece: Piece, tenant: str, call: str) -> bytes:
    """The chunk as an event.v1."""
    data = base64.b64encode(piece.samples.astype("<i2").tobytes()).decode()
    stream = {
        "id": call,
        "seq": piece.place,
        "offset_ms": round(piece.at_s * 1000),
        "speaker": piece.speaker,
        "final": piece.last,
    }
    part = {"type": "audio", "data": data, "encoding": "pcm16", "rate": piece.rate, "channels": 1}
    number = f"{call}/{piece.speaker}/{piece.place}"
    return orjson.dumps({"id": number, "tenant": tenant, "parts": [part], "stream": stream})
