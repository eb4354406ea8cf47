"""A rolling upgrade from the last release: workers of both versions in one group, under load, on a real Kafka."""

from __future__ import annotations

import io
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.flow.test_kafka_worker import Process, reading, send, settings_on

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
ROOT = Path(__file__).resolve().parents[2]
REVISION = (ROOT / "schemas" / "released" / "REVISION").read_text("utf-8").strip()
EACH = 1_500


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the last release's `worker/`, from this repository's own history."""
    done = subprocess.run(["git", "archive", REVISION, "worker"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"the history ends before {REVISION[:12]}: git fetch --unshallow, then the upgrade can be tried")
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_an_upgrade_under_load_loses_nothing_and_repeats_what_the_guarantee_allows(
    delivery: str, kafka: str, policies: Path, tmp_path: Path, released: Path
) -> None:
    """An old worker, a new one beside it, the old one drained; then the same way back. Order holds throughout."""
    settings = await settings_on(kafka, policies, delivery)
    running = [Process(settings, tmp_path, root=released)]
    try:
        await running[0].ready()
        async with reading(settings) as until:
            await send(settings, 0, EACH)
            for step, root in enumerate((ROOT, released), start=1):
                running.append(Process(settings, tmp_path, root=root))
                await running[-1].ready()
                await send(settings, step * EACH, EACH)
                assert running.pop(0).end(signal.SIGTERM) == 0
            found = await until(3 * EACH)
    finally:
        for process in running:
            process.end(signal.SIGKILL)
    firsts = {decision["id"]: decision for decision in reversed(found)}
    assert {decision["event_id"] for decision in firsts.values()} == {f"{i:06}" for i in range(3 * EACH)}
    assert len(firsts) == 3 * EACH  # a repeat has the id of what it repeats, whichever version decided it
    if delivery == "exactly-once":
        assert len(found) == len(firsts)
    seen: dict[str, list[str]] = {}
    for decision in dict.fromkeys(decision["id"] for decision in found):
        event_id = firsts[decision]["event_id"]
        seen.setdefault(f"u{int(event_id) % 17}", []).append(event_id)
    assert all(order == sorted(order) for order in seen.values())
