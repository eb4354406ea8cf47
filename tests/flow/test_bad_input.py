"""Bad input through the whole worker: a clear reason, nothing lost, neighbours unharmed."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
import soundfile
from PIL import Image

from tests.flow.conftest import Bench, event
from worker.core.records import Headers, Partition, Record
from worker.score.profile import Models
from worker.settings import Settings

DATA = Path(__file__).parents[1] / "data"
RNG = np.random.default_rng(7)
THREAT = "I will find you and I will kill you tonight"
# Sentences that differ, since a sentence said twice is scored once.
HARMLESS = " ".join(f"On day {d} we walked {d % 9 + 2} miles along the river and fed the ducks." for d in range(90))


def media(kind: str, content: bytes, **fields: Any) -> bytes:
    """An event of one picture or clip."""
    part = {"type": kind, "data": base64.b64encode(content).decode(), **fields}
    return orjson.dumps({"id": "bad", "tenant": "acme", "parts": [part]})


def texts(*parts: str) -> bytes:
    return orjson.dumps({"id": "bad", "tenant": "acme", "parts": [{"type": "text", "text": text} for text in parts]})


async def between_neighbours(
    bench: Bench, value: bytes | None, headers: Headers = (), key: bytes | None = b"k"
) -> Record | None:
    """
    What `value` ended as, sent between two harmless events; None for nothing.

    Every position ends in exactly one record, the neighbours are allowed whole, all is committed and no credit lost.
    """
    around = (event("before", "good morning"), event("after", "good evening"))
    async with bench.running():
        bench.send([around[0]])
        bench.send([value], key, headers)
        bench.send([around[1]])
        await bench.until(2 if value is None else 3)
    found = bench.out("allow", "flag", "block", "dead_letter")
    by_offset = {offset_of(record): record for record in found}
    assert sorted(by_offset) == sorted(map(offset_of, found)) == ([0, 2] if value is None else [0, 1, 2])
    for offset, name in ((0, "before"), (2, "after")):
        decision = orjson.loads(by_offset[offset].value or b"")
        assert (decision["event_id"], decision["action"], decision["degraded"]) == (name, "allow", None)
    assert bench.held == (0, 0)
    assert bench.log.committed["tidegate", Partition(bench.settings.topics.events, 0)] == 3
    return by_offset.get(1)


def offset_of(record: Record) -> int:
    """The input's offset that a terminal record answers."""
    headers = dict(record.headers)
    if "__connect.errors.offset" in headers:
        return int(headers["__connect.errors.offset"])
    return int(orjson.loads(record.value or b"")["source"]["offset"])


async def decision_on(bench: Bench, value: bytes, key: bytes | None = b"k") -> dict[str, Any]:
    """The decision on `value`, sent between neighbours."""
    record = await between_neighbours(bench, value, key=key)
    assert record is not None
    decision: dict[str, Any] = orjson.loads(record.value or b"")
    return decision


def said(decision: dict[str, Any]) -> list[tuple[str, str]]:
    """Codes and places of what could not be judged."""
    return [(problem["code"], problem["where"]) for problem in decision["degraded"] or ()]


@pytest.fixture
def lists(settings: Settings) -> Bench:
    """A worker of lists alone."""
    return Bench(settings, partitions=1)


@pytest.fixture
def whole(with_models: Settings, embedded: Models) -> Bench:
    """A worker with the real models and the policies that ship."""
    return Bench(with_models, partitions=1, models=embedded)


NO_EVENTS: list[tuple[str, bytes, str, str]] = [
    ("not UTF-8", b'{"id": "\xff"}', "not_utf8", "not UTF-8 at byte 8"),
    ("not JSON", b'{"id": "1", ', "not_json", "not JSON at character"),
    ("empty", b"", "not_json", "not JSON"),
    ("half a surrogate", b'{"id": "\\ud800"}', "not_json", "not JSON"),
    ("a list", b"[1, 2]", "wrong_shape", "the value must be an object"),
    ("parts of the wrong type", b'{"id": "1", "tenant": "acme", "parts": "hi"}', "wrong_shape", "parts must be a list"),
    ("text that is a number", b'{"id":"1","tenant":"acme","parts":[{"type":"text","text":5}]}', "wrong_shape", "text"),
    ("no id", b'{"tenant": "acme", "parts": [{"type": "text", "text": "hi"}]}', "no_id", "id is missing"),
    ("no tenant", b'{"id": "1", "parts": [{"type": "text", "text": "hi"}]}', "no_tenant", "tenant is missing"),
    ("unknown tenant", event("1", "hi", tenant="stranger"), "unknown_tenant", "add one to tenants.json"),
    ("a schema id before no JSON", b"\x00\x00\x00\x00\x07\x02Avro", "not_json", "not JSON"),
]


@pytest.mark.parametrize(("value", "code", "reason"), [n[1:] for n in NO_EVENTS], ids=[n[0] for n in NO_EVENTS])
async def test_what_is_no_event_is_dead_lettered_with_a_reason(
    lists: Bench, value: bytes, code: str, reason: str
) -> None:
    """Code and sentence stand in the headers, key and bytes are as they came, and the sentence quotes no content."""
    record = await between_neighbours(lists, value, headers=(("theirs", b"kept"),), key=b"\x00\xff")
    assert record is not None
    headers = dict(record.headers)
    assert headers["tidegate-code"].decode() == code
    assert reason in headers["__connect.errors.exception.message"].decode()
    assert (record.key, record.value, headers["theirs"]) == (b"\x00\xff", value, b"kept")


@pytest.mark.models
async def test_an_unknown_tenant_is_judged_by_the_policy_for_everyone(whole: Bench) -> None:
    """`"*"` in tenants.json stands for it."""
    decision = await decision_on(whole, event("bad", THREAT, tenant="stranger"))
    assert (decision["tenant"], decision["policy"]["id"], decision["action"]) == ("stranger", "default", "block")


async def test_a_tombstone_leaves_nothing_behind(lists: Bench) -> None:
    """Committed in its turn, and counted."""
    assert await between_neighbours(lists, None) is None
    assert lists.worker.metrics.registry.get_sample_value("tidegate_tombstones_total") == 1


async def test_a_schema_registry_prefix_is_skipped(lists: Bench) -> None:
    """A zero byte and four of a schema's id, then the JSON."""
    decision = await decision_on(lists, b"\x00\x00\x00\x01\x07" + event("bad", "free coins"))
    assert (decision["event_id"], decision["action"]) == ("bad", "flag")


async def test_a_null_key_is_no_trouble(lists: Bench) -> None:
    """The order comes from the event."""
    record = await between_neighbours(lists, event("bad", "free coins"), key=None)
    assert record is not None
    assert record.key is None
    assert dict(record.headers)["action"] == b"flag"


async def test_the_same_id_twice_has_two_decisions_of_different_ids(lists: Bench) -> None:
    """Two records are two events: only a repeat of the same position is a repeat."""
    async with lists.running():
        lists.send([event("twin", "hello"), event("twin", "free coins")])
        await lists.until(2)
    decisions = lists.decisions()
    assert {decision["event_id"] for decision in decisions} == {"twin"}
    assert len({decision["id"] for decision in decisions}) == 2
    assert [decision["action"] for decision in decisions] == ["allow", "flag"]


async def test_30_mb_of_text_is_read_up_to_the_limit_and_said_to_be_longer(lists: Bench) -> None:
    """The list's word before the limit is found, and `otherwise.too_long` decides beside it."""
    decision = await decision_on(lists, texts("free coins " + "a" * 30_000_000))
    assert said(decision) == [("text_too_long", "parts/0")]
    assert decision["action"] == "flag"
    assert [hit["category"] for hit in decision["hits"]] == ["scam"]


async def test_a_record_over_the_ceiling_becomes_a_pointer(lists: Bench) -> None:
    """Its bytes would not fit the dead-letter topic: size and digest stand for them."""
    record = await between_neighbours(lists, texts("a" * (64 << 20)))
    assert record is not None
    headers = dict(record.headers)
    assert headers["tidegate-code"] == b"too_large"
    assert (record.value, int(headers["tidegate-pointer-bytes"]) > 64 << 20) == (b"", True)


@pytest.mark.models
async def test_harm_after_5000_harmless_characters_is_found_by_the_text_model(whole: Bench) -> None:
    """And the evidence points behind them; without it the text is allowed."""
    assert len(HARMLESS) > 5_000
    decision = await decision_on(whole, texts(f"{HARMLESS} {THREAT}"))
    assert (decision["action"] in ("flag", "block"), decision["degraded"]) == (True, None)
    assert any(reason["evidence"]["span"][1] > len(HARMLESS) for reason in decision["reasons"])


@pytest.mark.models
async def test_5000_harmless_characters_alone_are_allowed(whole: Bench) -> None:
    """Length is no harm: what the test above finds is the threat."""
    assert (await decision_on(whole, texts(HARMLESS)))["action"] == "allow"


@pytest.mark.models
@pytest.mark.parametrize("text", ["\u200b\u200c\u200d\u2060\ufeff" * 50, "", " \n\t ", "\U000e0041\U000e007f"])
async def test_text_that_shows_nothing_is_allowed(whole: Bench, text: str) -> None:
    """Zero-width characters, tags, blanks or nothing at all: there is nothing to judge, and no failure."""
    decision = await decision_on(whole, texts(text))
    assert (decision["action"], decision["degraded"]) == ("allow", None)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def noise(side: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (side, side, 3), dtype=np.uint8))


def claiming(width: int, height: int) -> bytes:
    """A PNG's header and nothing more."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def gif(frames: int) -> bytes:
    """An animation of 16 x 16 pixels, its frames the same: made by hand, since a library takes seconds."""
    frame = bytes.fromhex(
        "21f904000a0000002c000000001000100040081d0001081c48b0a0c18308132a5cc8b0a1c38710234a9c48b1a2c5810101003b"
    )[:-1]
    return bytes.fromhex("47494638396110001000810000000000ff0000000000000000") + frame * frames + b";"


BAD_PICTURES: list[tuple[str, bytes, str]] = [
    ("broken base64", media("image", b"").replace(b'"data":""', b'"data":"not base64!"'), "base64_broken"),
    ("a PNG cut in half", media("image", png(noise(100))[:15_000]), "image_truncated"),
    ("60,000 x 60,000", media("image", claiming(60_000, 60_000)), "image_too_large"),
    ("no picture", media("image", b"hello, this is text"), "image_format"),
    ("no bytes", media("image", b""), "part_empty"),
    ("by reference", event("bad", "").replace(b'{"type":"text","text":""}', b'{"type":"image","ref":{"url":"x"}}'),
     "ref_not_allowed"),
    ("unknown type", media("hologram", b"abc"), "part_type_unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "code"), [p[1:] for p in BAD_PICTURES], ids=[p[0] for p in BAD_PICTURES])
async def test_a_part_that_cannot_be_read_is_decided_by_otherwise_and_said(
    lists: Bench, value: bytes, code: str
) -> None:
    """The event is valid, so it gets a decision: the policy's fallback, with the part and the reason."""
    decision = await decision_on(lists, value)
    assert said(decision) == [(code, "parts/0")]
    assert (decision["action"], decision["overrides"][0]["cause"]) == ("flag", "degraded")
    assert decision["degraded"][0]["reason"]


async def test_what_can_be_read_is_judged_beside_what_cannot(lists: Bench) -> None:
    """A blocked caption is blocked, whatever becomes of its picture."""
    picture = {"type": "image", "data": base64.b64encode(claiming(60_000, 60_000)).decode()}
    parts = [picture, {"type": "text", "text": "i will hurt you"}]
    decision = await decision_on(lists, orjson.dumps({"id": "bad", "tenant": "acme", "parts": parts}))
    assert (decision["action"], said(decision)) == ("block", [("image_too_large", "parts/0")])


async def test_1000_parts_are_read_up_to_the_limit_and_said_to_be_more(lists: Bench) -> None:
    """What comes before the limit is judged."""
    decision = await decision_on(lists, texts("free coins", *["hello"] * 999))
    ((code, where),) = said(decision)
    assert (code, decision["action"]) == ("too_many_parts", "flag")
    assert where.startswith("parts/")
    assert [hit["view"] for hit in decision["hits"]] == ["parts/0"]


@pytest.mark.models
async def test_an_animation_of_5000_frames_is_looked_at_in_a_few(whole: Bench) -> None:
    """The first and a few more are scored; nothing is degraded."""
    decision = await decision_on(whole, media("image", gif(5_000)))
    assert (decision["action"], decision["degraded"]) == ("allow", None)
    assert decision["scores"]["sexual"] < 0.5
    items = whole.worker.metrics.registry.get_sample_value("tidegate_batch_items_sum", {"lane": "open-nsfw"})
    assert items is not None
    assert 1 <= items <= 8


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("broken_awful.wav", "audio_damaged"),
        ("broken_bad.wav", "audio_damaged"),
        ("broken_evil.wav", "audio_damaged"),
        ("broken_null.wav", "audio_empty"),
    ],
)
async def test_a_broken_wav_is_decided_by_otherwise(lists: Bench, name: str, code: str) -> None:
    """Each of the four, with its reason."""
    decision = await decision_on(lists, media("audio", (DATA / "audio" / name).read_bytes()))
    assert (said(decision), decision["action"]) == ([(code, "parts/0")], "flag")


def clip(samples: npt.NDArray[np.float32], rate: int, kind: str = "WAV", subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


async def test_a_clip_of_no_samples_is_said_to_be_empty(lists: Bench) -> None:
    """A whole header and nothing behind it; raw samples likewise."""
    decision = await decision_on(lists, media("audio", clip(np.zeros(0, np.float32), 16_000)))
    assert said(decision) == [("audio_empty", "parts/0")]


def spoken(rate: int, channels: int, subtype: str) -> bytes:
    """The demo's spoken threat, as another recorder would have written it."""
    import torch
    from torchaudio.transforms import Resample

    import worker.cli.demo as demo

    samples, own = soundfile.read(Path(demo.__file__).with_name("demo_events") / "threat.flac", dtype="float32")
    found = Resample(own, rate)(torch.from_numpy(np.ascontiguousarray(samples))).numpy()
    return clip(np.stack([found] * channels, axis=1), rate, subtype=subtype)


@pytest.mark.models
@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(8_000, 1, "PCM_16"), (44_100, 2, "PCM_16"), (16_000, 1, "PCM_24")],
    ids=["8 kHz", "44.1 kHz stereo", "24-bit"],
)
async def test_a_threat_is_understood_from_any_recorder(whole: Bench, rate: int, channels: int, subtype: str) -> None:
    """The transcript decides, and nothing is degraded."""
    decision = await decision_on(whole, media("audio", spoken(rate, channels, subtype)))
    assert (decision["degraded"], decision["types"]) == (None, ["audio"])
    assert decision["action"] in ("flag", "block")
    assert decision["reasons"][0]["view"].startswith("parts/0/transcript")


@pytest.mark.models
async def test_an_hour_in_one_chunk_is_read_up_to_the_limit(whole: Bench) -> None:
    """Silence packs an hour into little: the limit holds on what comes out."""
    silence = clip(np.zeros(3_600 * 8_000, np.float32), 8_000, "FLAC", "PCM_16")
    decision = await decision_on(whole, media("audio", silence))
    assert (said(decision), decision["action"]) == ([("audio_too_long", "parts/0")], "flag")


async def test_all_of_it_at_once_leaves_the_neighbours_alone(lists: Bench) -> None:
    """Every kind of bad input in one poll, a good event between each two."""
    bad: Sequence[bytes | None] = [n[1] for n in NO_EVENTS] + [p[1] for p in BAD_PICTURES] + [None]
    mixed: list[bytes | None] = []
    for i, value in enumerate(bad):
        mixed += [event(f"good-{i}", "hello there"), value]
    async with lists.running():
        lists.send(mixed)
        await lists.until(len(mixed) - 1)
    found = lists.out("allow", "flag", "block", "dead_letter")
    assert sorted(map(offset_of, found)) == list(range(len(mixed) - 1))
    good = [d for d in lists.decisions() if d["event_id"].startswith("good-")]
    assert [d["action"] for d in good] == ["allow"] * len(bad)
    assert lists.held == (0, 0)
    assert lists.log.committed["tidegate", Partition(lists.settings.topics.events, 0)] == len(mixed)
