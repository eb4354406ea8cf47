"""Calls through the whole worker: chunks in, one decision each, windows judged, words heard once and whole."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
import soundfile
from scipy.signal import resample_poly

from tests.flow.conftest import Bench
from worker.app import Worker
from worker.pipeline.calls import Heard
from worker.score.profile import Models
from worker.settings import Settings
from worker.window.transcript import Transcript

pytestmark = pytest.mark.models
SPEECH = Path(__file__).parents[1] / "data" / "audio" / "librivox_0880.wav"
THREAT = Path(__file__).parents[2] / "worker" / "cli" / "demo_events" / "threat.flac"
RATE = 16_000
Samples = npt.NDArray[np.float32]


def recorded(path: Path) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return np.asarray(samples, np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


def coded(samples: Samples, rate: int, codec: str) -> bytes:
    """G.711 or 16-bit samples without a header, as a gateway sends them."""
    out = io.BytesIO()
    soundfile.write(out, resample_poly(samples, rate, RATE), rate, format="RAW", subtype=codec)
    return out.getvalue()


def chunk_events(
    sound: Samples, seconds: float, *, speaker: str = "ann", call: str = "call-1", **form: Any
) -> list[bytes]:
    """The sound as events of a call: 16-bit PCM, unless `form` has a codec of libsndfile and how it is declared."""
    codec, declared = form.get("codec", "PCM_16"), form.get("declared", {"encoding": "pcm16", "rate": RATE})
    rate, length, events = declared.get("rate", RATE), int(seconds * RATE), []
    for place, at in enumerate(range(0, len(sound), length)):
        data = base64.b64encode(coded(sound[at : at + length], rate, codec)).decode()
        last = at + length >= len(sound)
        stream = {"id": call, "seq": place, "offset_ms": at * 1000 // RATE, "speaker": speaker, "final": last}
        part = {"type": "audio", "data": data, **declared}
        body = {"id": f"{call}-{speaker}-{place}", "tenant": "acme", "parts": [part], "stream": stream}
        events.append(orjson.dumps(body))
    return events


async def decided(bench: Bench, events: Sequence[bytes], key: bytes = b"call-1") -> dict[str, dict[str, Any]]:
    async with bench.running():
        bench.send(events, key)
        await bench.until(len(events))
    assert bench.held == (0, 0)
    return {decision["event_id"]: decision for decision in bench.decisions()}


class Listener:
    """Puts together what was heard, as one who shows a call does."""

    def __init__(self) -> None:
        self._of: dict[str | None, Transcript] = {}

    def __call__(self, heard: Heard) -> None:
        self._of.setdefault(heard.speaker, Transcript()).read(list(heard.words), heard.since)

    def said(self, speaker: str) -> str:
        return " ".join(word.text for word in self._of[speaker].words(0, 1e9))


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def bench(with_models: Settings, embedded: Models, listener: Listener) -> Bench:
    """A worker with the real models, and somebody who listens."""
    bench = Bench(with_models, models=embedded, partitions=1)
    bench.worker = Worker(with_models, bench.transport, embedded)
    bench.worker.listen_in(listener)
    return bench


async def test_each_chunk_has_one_decision_and_the_one_that_closes_a_window_has_its_result(
    bench: Bench, listener: Listener
) -> None:
    """A threat in the sixth to tenth second, in G.711 chunks of 200 ms: two windows agree, and the call is flagged."""
    sound = np.concatenate([recorded(SPEECH), silence(2.2), recorded(THREAT), silence(10)])[: 20 * RATE]
    sent = chunk_events(sound, 0.2, codec="ULAW", declared={"encoding": "pcmu", "rate": 8_000})
    found = await decided(bench, sent)
    windows = [one for one in found.values() if one["call"]["windows"]]
    assert [one["event_id"] for one in windows] == [f"call-1-ann-{n}" for n in (24, 49, 74, 99)]
    assert [(w["t0"], w["t1"]) for one in windows for w in one["call"]["windows"]] == [
        (0, 5),
        (0, 10),
        (0, 15),
        (5, 20),
    ]
    first, second, third, fourth = (one["call"]["windows"][0]["passed"] for one in windows)
    assert "harassment" not in first
    assert "harassment" in third
    assert "harassment" in fourth
    reason = next(r for one in windows for r in one["reasons"] if r["category"].startswith("harassment"))
    assert reason["type"] == "audio"
    assert reason["evidence"]["speaker"] == "ann"
    raised = next(one for one in windows if one["call"]["transition"])
    assert raised["action"] != "allow"
    assert raised["event_id"] == ("call-1-ann-74" if "harassment" in second else "call-1-ann-99")
    assert not any(one["degraded"] for one in found.values())
    assert "kill you" in listener.said("ann").lower()


@pytest.mark.parametrize("seconds", [0.1, 1.0, 15.0])
async def test_words_come_out_once_and_whole_whatever_the_chunks(
    bench: Bench, listener: Listener, seconds: float
) -> None:
    """Twice the same sentence over window borders, as one transcript."""
    sentence = recorded(SPEECH)
    await decided(bench, chunk_events(np.concatenate([sentence, silence(0.8), sentence]), seconds))
    said = listener.said("ann").lower().replace(",", "").replace(".", "").split()
    assert len(said) % 2 == 0
    assert said[: len(said) // 2] == said[len(said) // 2 :]
    assert said[:3] == ["he", "was", "not"]
    assert said[-2:] == ["young", "man"]


async def test_speakers_of_a_call_are_heard_each_by_themselves(bench: Bench, listener: Listener) -> None:
    """One threatens, the other reads aloud at the same time."""
    threat = np.concatenate([silence(1), recorded(THREAT), silence(9)])[: 15 * RATE]
    reading = np.pad(recorded(SPEECH), (0, 15 * RATE))[: 15 * RATE]
    ann, ben = chunk_events(threat, 1.0), chunk_events(reading, 1.0, speaker="ben")
    found = await decided(bench, [event for pair in zip(ann, ben, strict=True) for event in pair])
    passed = [one["call"]["speaker"] for one in found.values() for w in one["call"]["windows"] if w["passed"]]
    assert set(passed) == {"ann"}
    assert {one["action"] for number, one in found.items() if "ben" in number} == {"allow"}
    assert "kill" not in listener.said("ben")


async def test_a_chunk_out_of_place_is_judged_by_itself(bench: Bench) -> None:
    """An hour ahead of its call: no window will ever hold it, and still its threat is found."""
    quiet = chunk_events(silence(3), 0.5)
    threat = orjson.loads(chunk_events(recorded(THREAT), 15.0)[0])
    threat["id"], threat["stream"] = "astray", {"id": "call-1", "speaker": "ann", "offset_ms": 3_600_000}
    found = await decided(bench, [*quiet[:3], orjson.dumps(threat), *quiet[3:]])
    assert found["astray"]["action"] == "block"
    assert [one["code"] for one in found["astray"]["degraded"]] == ["chunk_out_of_place"]


async def test_silence_is_never_read(bench: Bench, embedded: Models) -> None:
    """A call on mute reaches neither the speech model nor the text models."""
    found = await decided(bench, chunk_events(silence(12), 1.0))
    assert {one["action"] for one in found.values()} == {"allow"}
    assert all(one["models"] == [] for one in found.values())


async def test_a_last_chunk_that_cannot_be_read_ends_its_call_all_the_same(bench: Bench) -> None:
    """What was said before it is judged with it."""
    sent = chunk_events(np.concatenate([recorded(THREAT), silence(1)])[: 4 * RATE], 1.0)
    last = orjson.loads(sent[-1])
    last["parts"][0]["data"] = "AA"
    found = await decided(bench, [*sent[:-1], orjson.dumps(last)])
    assert found[last["id"]]["call"]["windows"][0]["passed"]
    assert [one["code"] for one in found[last["id"]]["degraded"]] == ["base64_broken"]


async def test_open_calls_count_against_the_bytes_in_flight(bench: Bench) -> None:
    """What their windows hold is not there for events."""
    await decided(bench, chunk_events(silence(4), 1.0)[:-1])
    credits = bench.worker.flow.credits
    assert credits.take(credits.most[1] - 200_000)
    assert not credits.take(150_000)
