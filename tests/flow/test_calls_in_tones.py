"""Calls through a worker that hears words in tones: formats, states, batches and the command line, in milliseconds."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import soundfile
from scipy.signal import resample_poly
from typer.testing import CliRunner

import worker.app
from ops.chaos.tones import RATE, Tones, models, sound
from tests.flow.conftest import Bench
from tests.logging_back import log_put_back
from worker.app import make_tail
from worker.cli import app
from worker.core.records import Draft
from worker.core.views import Floats, TextSource, View
from worker.settings import Settings, load

THREAT = "i will hurt you"
FORMS = [
    ("RAW", "PCM_16", 8_000, {"encoding": "pcm16"}, "audio/L16;rate=8000"),
    ("RAW", "PCM_16", 48_000, {"encoding": "pcm16"}, "audio/L16;rate=48000"),
    ("RAW", "ULAW", 8_000, {"encoding": "pcmu"}, "audio/PCMU"),
    ("RAW", "ALAW", 8_000, {"encoding": "pcma"}, "audio/PCMA"),
    ("WAV", "PCM_16", 24_000, {}, "audio/wav"),
    ("FLAC", "PCM_16", 16_000, {}, "audio/flac"),
    ("OGG", "OPUS", 48_000, {}, "audio/ogg"),
    ("MP3", None, 44_100, {}, "audio/mpeg"),
]


def cut(samples: Floats, seconds: float, rate: int, kind: str, subtype: str | None) -> list[bytes]:
    """The sound at a rate, in chunks, each a file or raw sound of its own."""
    made, length, found = resample_poly(samples, rate, RATE), round(seconds * rate), []
    for at in range(0, len(made), length):
        out = io.BytesIO()
        soundfile.write(out, made[at : at + length], rate, format=kind, subtype=subtype)
        found.append(out.getvalue())
    return found


def events(samples: Floats, seconds: float = 1.0, *, call: str = "call-1", speaker: str = "ann") -> list[bytes]:
    """Of 16-bit PCM, with no `final`: an open call."""
    found = []
    for place, data in enumerate(cut(samples, seconds, RATE, "RAW", "PCM_16")):
        part = {"type": "audio", "data": base64.b64encode(data).decode(), "encoding": "pcm16", "rate": RATE}
        stream = {"id": call, "offset_ms": round(place * seconds * 1000), "speaker": speaker}
        found.append(orjson.dumps({"id": f"{call}/{place}", "tenant": "acme", "parts": [part], "stream": stream}))
    return found


def with_calls(policies: Path, **calls: Any) -> None:
    policy = orjson.loads((policies / "words.json").read_bytes()) | {"calls": calls}
    (policies / "words.json").write_bytes(orjson.dumps(policy))


async def run(bench: Bench, drafts: Sequence[Draft]) -> dict[str, dict[str, Any]]:
    """By event id, what is decided."""
    async with bench.running():
        bench.log.append(list(drafts))
        await bench.until(len(drafts))
    return {decision["event_id"]: decision for decision in bench.decisions()}


async def decided(settings: Settings, values: Sequence[bytes]) -> list[dict[str, Any]]:
    """In the order in which they were sent."""
    found = await run(
        Bench(settings, models=models(), partitions=1), [Draft(settings.topics.events, b"k", v) for v in values]
    )
    return [found[orjson.loads(value)["id"]] for value in values]


@pytest.mark.parametrize("seconds", [0.02, 0.2, 15.0])
@pytest.mark.parametrize(("kind", "subtype", "rate", "declared", "mime"), FORMS, ids=lambda v: str(v))
async def test_chunks_of_every_format_are_one_call_in_json_and_as_raw_bytes(
    settings: Settings,
    policies: Path,
    kind: str,
    subtype: str | None,
    rate: int,
    declared: dict[str, Any],
    mime: str,
    seconds: float,
) -> None:
    """Base64 and CloudEvents binary side by side: nothing is missing, the threats are heard, one decision each."""
    with_calls(policies, window_s=2.0, hop_s=2.0)
    topic, drafts, hops = settings.topics.events, list[Draft](), 8 if seconds > 2 else 1
    chunks = cut(sound([THREAT, None] * hops), seconds, rate, kind, subtype)
    for place, data in enumerate(chunks):
        last, at_ms = place == len(chunks) - 1, round(place * seconds * 1000)
        part = {"type": "audio", "data": base64.b64encode(data).decode(), **declared}
        part |= {"rate": rate} if declared else {}
        stream = {"id": "json", "offset_ms": at_ms, "speaker": "ann", "final": last}
        body = {"id": f"json/{place}", "tenant": "acme", "parts": [part], "stream": stream}
        attributes = {"specversion": "1.0", "id": f"raw/{place}", "tenant": "acme", "streamid": "raw"}
        attributes |= {"streamoffsetms": str(at_ms), "streamspeaker": "ann", "streamfinal": str(last).lower()}
        headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
        headers.append(("content-type", mime.encode()))
        drafts += [Draft(topic, b"json", orjson.dumps(body)), Draft(topic, b"raw", data, tuple(headers))]
    found = await run(Bench(settings, models=models(), partitions=1), drafts)
    assert not [one["degraded"] for one in found.values() if one["degraded"]]
    for call in ("json", "raw"):
        windows = [w for n in range(len(chunks)) for w in found[f"{call}/{n}"]["call"]["windows"]]
        assert [(w["t0"], w["t1"], w["heard_s"], w["missing_s"]) for w in windows] == [
            (2 * hop, 2 * hop + 2, 2, 0) for hop in range(hops)
        ]
        assert [w["passed"] for w in windows] == [{"threat": "block"}] * hops


async def test_a_chunk_inside_a_hop_carries_the_state_as_it_stands_and_one_that_changes_it_says_so(
    settings: Settings, policies: Path
) -> None:
    """Two windows agree at the tenth second; the chunks after it are blocked too, and none of them is a transition."""
    with_calls(policies, agree=2, of=3, cooldown_s=0, window_s=5.0)
    said = [THREAT, None, None, None, None] * 2 + [None] * 10
    found = await decided(settings, events(sound(said)))
    assert [one["action"] for one in found] == ["allow"] * 9 + ["block"] * 10 + ["allow"]
    assert [place for place, one in enumerate(found) if one["call"]["windows"]] == [4, 9, 14, 19]
    assert [place for place, one in enumerate(found) if one["call"]["transition"]] == [9, 19]
    assert found[9]["call"]["changed"] == [
        {
            "kind": "call",
            "speaker": "ann",
            "category": "threat",
            "before": "allow",
            "after": "block",
            "cause": "agreed",
            "t0": 5.0,
            "t1": 10.0,
        }
    ]
    inside = found[12]
    assert (inside["call"]["state"], inside["call"]["raised"], inside["reasons"]) == ("block", {"threat": "block"}, [])
    assert [one["cause"] for one in inside["overrides"]] == ["call_state"]
    assert found[19]["call"]["changed"][0]["cause"] == "cleared"


async def test_a_severe_category_is_raised_by_its_first_window(settings: Settings, policies: Path) -> None:
    """However many the policy asks to agree."""
    with_calls(policies, agree=4)
    policy = orjson.loads((policies / "words.json").read_bytes())
    policy["categories"]["threat"]["severe"] = True
    (policies / "words.json").write_bytes(orjson.dumps(policy))
    found = await decided(settings, events(sound([THREAT, None, None, None, None])))
    assert [one["action"] for one in found] == ["allow"] * 4 + ["block"]
    assert found[4]["call"]["changed"][0]["cause"] == "severe"


class Counting(Tones):
    """Notes how much it is asked at once, and for how many seconds of sound in all."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.seconds = 0.0

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """As `Tones`."""
        self.batches.append(len(views))
        self.seconds += sum(len(view.content) for view in views) / RATE
        return super().extract(views)


async def test_windows_of_many_calls_are_read_in_one_batch_and_what_was_read_is_not_read_again(
    settings: Settings,
) -> None:
    """Eight calls of 15 s: three hops each, of which the model reads little more than the sound there is."""
    ears, plain = Counting(), models()
    hearing = replace(plain, readers={kind: (lane, ears) for kind, (lane, _) in plain.readers.items()})
    said, topic = sound(["hello", None, "free", "coins", None] * 3), settings.topics.events
    drafts = [Draft(topic, b"%d" % n, value) for n in range(8) for value in events(said, 5.0, call=f"call-{n}")]
    found = await run(Bench(settings, models=hearing, partitions=1), drafts)
    assert len(found) == sum(ears.batches) == 24
    assert max(ears.batches) >= 4
    assert ears.seconds < 1.25 * 8 * 15


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """Ten seconds: a threat on the left, a greeting on the right."""
    left, right = sound([None, THREAT, *[None] * 4, THREAT, *[None] * 3]), sound(["hello", *[None] * 9])
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), RATE, subtype="PCM_16")
    return tmp_path / "stereo.wav"


def tidegate(*words: object, stdin: bytes | None = None) -> Any:
    with log_put_back():
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def test_a_recording_is_played_and_reported_from_the_command_line(
    stereo: Path, policies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`call FILE --json --report`: a decision a chunk, a live line and a section a speaker, the threat in red."""
    monkeypatch.setattr(worker.app, "load_models", lambda *_: models())
    report = tmp_path / "call.html"
    options = ("--tenant", "acme", "--policies", policies, "--report", report)
    done = tidegate("call", stereo, "--fast", "--json", "--chunk-ms", 500, *options)
    assert done.exit_code == 0, done.output
    found = [orjson.loads(line) for line in done.stdout_bytes.splitlines()]
    assert len({one["event_id"] for one in found}) == len(found) == 40
    assert {one["call"]["speaker"] for one in found if one["action"] == "block"} == {"left"}
    assert not [one["degraded"] for one in found if one["degraded"]]
    live = done.stderr.splitlines()
    assert any({"left", "block", "hurt"} <= set(line.split()) for line in live), live
    assert any({"right", "allow", "hello"} <= set(line.split()) for line in live), live
    assert live[-1] == f"report: {report}"
    html = report.read_text()
    assert html.count("<svg") == 2
    assert '<span class="block"' in html
    assert "threat: allow → block (agreed)" in html


def test_raw_samples_are_played_from_standard_input(policies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`call -`: as a microphone's would be."""
    monkeypatch.setattr(worker.app, "load_models", lambda *_: models())
    pcm = (sound([THREAT, None, None, None, None]) * 32_767).astype("<i2").tobytes()
    done = tidegate("call", "-", "--json", "--tenant", "acme", "--policies", policies, stdin=pcm)
    assert done.exit_code == 0, done.output
    found = [orjson.loads(line) for line in done.stdout_bytes.splitlines()]
    assert [w["passed"] for one in found for w in one["call"]["windows"]] == [{"threat": "block"}]


def test_a_recording_is_sent_as_the_chunks_of_a_call(stereo: Path, tmp_path: Path) -> None:
    """`send --call`: both speakers' chunks under one key, in the call's order, the last ones final."""
    config = tmp_path / "queue.toml"
    config.write_text(f'transport = "sqlite"\n[sqlite]\npath = "{tmp_path / "queue.db"}"\n')
    done = tidegate("send", stereo, "--call", "call-17", "--tenant", "acme", "--chunk-ms", 2_500, "-c", config)
    assert (done.exit_code, done.stdout.strip()) == (0, "sent 8 events to moderation.events")
    settings = load(config)

    async def sent() -> list[Any]:
        tail = make_tail(settings, (settings.topics.events,), from_beginning=True)
        await tail.start()
        try:
            return list(await tail.read(max_records=100, timeout_s=1.0))
        finally:
            await tail.stop()

    records = asyncio.run(sent())
    assert len({record.key for record in records}) == 1
    streams = [orjson.loads(record.value)["stream"] for record in records]
    assert {one["id"] for one in streams} == {"call-17"}
    for speaker in ("left", "right"):
        own = [one for one in streams if one["speaker"] == speaker]
        assert [(one["offset_ms"], one["final"]) for one in own] == [
            (0, False),
            (2_500, False),
            (5_000, False),
            (7_500, True),
        ]
