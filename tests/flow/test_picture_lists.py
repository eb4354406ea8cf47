"""Lists of pictures in the whole worker, without any model: a hit blocks, a stranger is allowed, none is degraded."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import orjson
from PIL import Image

from tests.flow.conftest import POLICY, Bench, event
from worker.core.events import ImagePart
from worker.decode.image import decode_image
from worker.settings import Settings
from worker.window.pictures import picture_hashes

PICTURES = Path(__file__).parents[1] / "data" / "image"
CAT = (PICTURES / "chelsea.jpg").read_bytes()


def with_list(policies: Path) -> None:
    part, _ = decode_image(CAT, "parts/0", max_pixels=10**7, max_side=1280)
    assert isinstance(part, ImagePart)
    (policies / "bad.txt").write_text(f"# algorithm: phash64\n{int(picture_hashes(part)[0, 0]):016x}\n")
    images = [{"list": "bad.txt", "category": "threat", "action": "block"}]
    (policies / "words.json").write_bytes(orjson.dumps(POLICY | {"images": images}))


def half_size() -> bytes:
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(CAT))
    picture.resize((picture.width // 2, picture.height // 2)).save(buffer, "JPEG", quality=40)
    return buffer.getvalue()


def picture(id: str, data: bytes) -> bytes:
    part = {"type": "image", "data": base64.b64encode(data).decode()}
    return orjson.dumps({"id": id, "tenant": "acme", "parts": [part]})


async def decided(settings: Settings, events: list[bytes]) -> dict[str, dict[str, Any]]:
    bench = Bench(settings)
    async with bench.running():
        bench.send(events)
        await bench.until(len(events))
    assert bench.held == (0, 0)
    return {decision["event_id"]: decision for decision in bench.decisions()}


async def test_a_known_picture_is_blocked_and_a_stranger_is_allowed(settings: Settings, policies: Path) -> None:
    """Also when it is shrunk and saved again. A list is what the policy asked for: nothing is degraded."""
    with_list(policies)
    stranger = (PICTURES / "symptoms.png").read_bytes()
    found = await decided(settings, [picture("known", half_size()), picture("other", stranger), event("text", "hello")])
    known, other = found["known"], found["other"]
    assert (known["action"], known["degraded"], other["action"], other["degraded"]) == ("block", None, "allow", None)
    assert [(hit["list"], hit["type"], hit["view"]) for hit in known["hits"]] == [("bad.txt", "image", "parts/0")]
    assert (known["reasons"][0]["category"], "score" in known["reasons"][0]) == ("threat", False)
    assert found["text"]["action"] == "allow"


async def test_a_picture_that_nothing_looks_at_is_still_degraded(settings: Settings) -> None:
    """Without a list of pictures and without a model."""
    found = await decided(settings, [picture("known", CAT)])
    assert [entry["code"] for entry in found["known"]["degraded"]] == ["nobody_looks"]
