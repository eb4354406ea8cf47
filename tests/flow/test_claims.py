"""Content by `ref` through the whole worker: fetched, held to what it claims, judged like any other."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from tests.flow.conftest import Bench, event
from tests.flow.test_bad_input import decision_on, noise, png, said
from tests.unit.decode.claims.servers import authority as made_authority
from tests.unit.decode.claims.servers import content, held, https
from worker.settings import Settings, load

PICTURE = png(noise(64))


def by_ref(url: str, other: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    """An event with one picture elsewhere."""
    ref = {"url": url, "sha256": hashlib.sha256(PICTURE).hexdigest(), "bytes": len(PICTURE)} | dict(other)
    return orjson.dumps({"id": "bad", "tenant": "acme", "parts": [{"type": "image", "ref": ref}]})


@pytest.fixture
def rooted(policies: Path, tmp_path: Path) -> Settings:
    """A worker that may read one folder; nobody looks at pictures, so what was read is `nobody_looks`."""
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.png").write_bytes(PICTURE)
    flags = {"policies": policies, "models.profile": "words", "claims.roots": [str(tmp_path / "media")]}
    return load(None, flags)


async def test_nothing_is_fetched_until_a_place_is_named(settings: Settings, tmp_path: Path) -> None:
    """The default: degraded, with the setting's name, the file unread."""
    (tmp_path / "a.png").write_bytes(PICTURE)
    decision = await decision_on(Bench(settings, partitions=1), by_ref(f"file://{tmp_path}/a.png"))
    assert (said(decision), decision["action"]) == ([("ref_not_allowed", "parts/0")], "flag")
    assert "claims.hosts" in decision["degraded"][0]["reason"]


async def test_a_picture_by_ref_is_read_like_one_in_the_event(rooted: Settings, tmp_path: Path) -> None:
    """Decoded and handed on; counted as fetched."""
    bench = Bench(rooted, partitions=1)
    decision = await decision_on(bench, by_ref(f"file://{tmp_path}/media/a.png"))
    assert said(decision) == [("nobody_looks", "parts/0")]
    assert decision["types"] == ["image"]
    value = bench.worker.metrics.registry.get_sample_value("tidegate_claims_total", {"result": "fetched"})
    assert value == 1


@pytest.mark.parametrize(
    ("other", "code", "rule"),
    [
        ({"sha256": "ab" * 32}, "ref_mismatch", "failed"),
        ({"bytes": 5}, "ref_mismatch", "failed"),
        ({"bytes": 1 << 40}, "image_too_large", "too_long"),
        ({"sha256": None}, "ref_incomplete", "failed"),
        ({"sha256": "AB" * 32}, "ref_incomplete", "failed"),
        ({"bytes": None}, "ref_incomplete", "failed"),
        ({"bytes": 0}, "ref_incomplete", "failed"),
        ({"url": "file:///etc/passwd"}, "ref_not_allowed", "failed"),
        ({"url": "https://169.254.169.254/latest/"}, "ref_not_allowed", "failed"),
    ],
)
async def test_a_ref_that_does_not_hold_is_decided_by_otherwise(
    rooted: Settings, tmp_path: Path, other: dict[str, Any], code: str, rule: str
) -> None:
    """With its code, and without the address anywhere in the decision."""
    decision = await decision_on(Bench(rooted, partitions=1), by_ref(f"file://{tmp_path}/media/a.png", other))
    assert said(decision) == [(code, "parts/0")]
    assert (decision["degraded"][0]["rule"], decision["action"]) == (rule, "flag")
    assert "media/a.png" not in orjson.dumps(decision).decode()
    assert "169.254" not in orjson.dumps(decision).decode()


async def test_a_fetch_that_takes_long_holds_up_nobody_else(policies: Path, tmp_path: Path) -> None:
    """Events behind it are decided meanwhile; its credits cover what is to come, and come back."""
    made, let_go = made_authority(tmp_path), asyncio.Event()
    async with https(made, [held(let_go, content(PICTURE))]) as server:
        own = {"hosts": [f"localhost:{server.port}"], "networks": ["127.0.0.1/32", "::1/128"], "ca_file": made.ca_file}
        flags = {f"claims.{name}": value for name, value in own.items()}
        bench = Bench(load(None, {"policies": policies, "models.profile": "words", **flags}), partitions=1)
        async with bench.running():
            bench.send([by_ref(f"https://localhost:{server.port}/a.png")])
            bench.send([event(f"after-{i}", "good morning") for i in range(50)])
            await bench.until(50)
            waiting = bench.held
            let_go.set()
            await bench.until(51)
    assert waiting[0] == 1
    assert waiting[1] > 2 * len(PICTURE)
    assert bench.held == (0, 0)
    assert [said(decision) for decision in bench.decisions() if decision["degraded"]] == [[("nobody_looks", "parts/0")]]
