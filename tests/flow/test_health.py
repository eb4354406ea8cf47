"""What a running worker says of itself over real HTTP: alive, ready, status and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ops.kafka.nodes import free_port
from tests.flow.conftest import Bench, event
from worker.app import Worker, load_models, make_sender, make_transport, running
from worker.core.clock import SystemClock
from worker.core.errors import PublishFailed
from worker.core.metrics import CATEGORIES, OWN
from worker.core.records import Draft, Partition, TransportHealth
from worker.health import Loading
from worker.lifecycle import http_app, serving
from worker.score.profile import Models
from worker.settings import Settings, load


@asynccontextmanager
async def asking(worker: Worker) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the worker's own HTTP server, on a free port."""
    async with (
        serving(http_app(lambda: worker.health), host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of an exposition, by name and labels; fails on what Prometheus could not read."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_running_worker_is_alive_and_ready(settings: Settings) -> None:
    """Both 200; each check of `/readyz` with a sentence."""
    bench = Bench(settings)
    async with asking(bench.worker) as client, bench.running():
        bench.send([event("1", "hello")])
        await bench.until(1)
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    checks = {check["name"]: check for check in ready.json()["checks"]}
    assert set(checks) == {"queue", "models", "policies", "publish"}
    assert all(check["ok"] and check["detail"] for check in checks.values())


async def test_a_worker_that_has_not_started_is_not_ready(settings: Settings) -> None:
    """No queue and no policy yet: 503, and which."""
    bench = Bench(settings)
    async with asking(bench.worker) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert {check["name"] for check in answer.json()["checks"] if not check["ok"]} == {"queue", "policies"}


async def test_status_shows_queue_policies_and_what_is_in_flight(settings: Settings, policies: Path) -> None:
    """And which policy was rejected, where and why."""
    bench = Bench(settings)
    async with asking(bench.worker) as client, bench.running():
        bench.send([event("1", "hello")])
        await bench.until(1)
        (policies / "words.json").write_text('{"id": "words",\n "version": 2,,}')
        await bench.worker.policies.reload()
        status = (await client.get("/status")).json()
        ready = await client.get("/readyz")
    assert status["queue"]["connected"]
    assert status["queue"]["lag"] == {"moderation.events[0]": 0, "moderation.events[1]": 0}
    assert set(status["in_flight"]) == {"events", "decoded_bytes"}
    (words,) = [policy for policy in status["policies"] if policy["name"] == "words"]
    assert (words["version"], words["active_revision"][:7]) == ("1", "sha256:")
    assert "words.json:2" in words["message"]
    assert (words["code"], words["errors"][0]["location"]["row"]) == ("policy_rejected", 2)
    assert status["policy_source"]["last_successful_download"] is not None
    assert ready.status_code == 200  # the last good one goes on


@pytest.mark.models
async def test_metrics_count_lag_batches_and_decisions(with_models: Settings, embedded: Models) -> None:
    """Real numbers of a real run, in what Prometheus reads; no label holds a tenant, an id or content."""
    bench = Bench(with_models, models=embedded)
    async with asking(bench.worker) as client, bench.running():
        bench.send([event("id-1", "good morning"), event("id-2", "I will find you and I will kill you"), b"{", None])
        await bench.until(3)
        text = (await client.get("/metrics")).text
        found = samples(text)
    assert found["tidegate_records_total", ()] == 4
    assert found["tidegate_tombstones_total", ()] == 1
    assert found["tidegate_decisions_total", (("action", "allow"),)] == 1
    assert found["tidegate_decisions_total", (("action", "block"),)] == 1
    by_category = {labels: n for (name, labels), n in found.items() if name == "tidegate_decision_categories_total"}
    assert by_category[("action", "block"), ("category", "harassment")] == 1
    assert {dict(labels)["category"] for labels in by_category} <= {*CATEGORIES, OWN}
    assert found["tidegate_ready", ()] == 1
    assert found["tidegate_policies_active", ()] >= 1
    assert found["tidegate_dead_letters_total", (("code", "not_json"),)] == 1
    for number in ("0", "1"):
        assert found["tidegate_consumer_lag_records", (("partition", number), ("topic", "moderation.events"))] == 0
    batches = {labels: value for (name, labels), value in found.items() if name == "tidegate_batches_total"}
    assert sum(batches.values()) >= 1
    assert {dict(labels)["lane"] for labels in batches} == {"minilm"}
    assert found["tidegate_model_seconds_count", (("lane", "minilm"),)] >= 1
    assert found["tidegate_in_flight_events", ()] in (0, 1)
    assert not any(word in text for word in ("acme", "id-1", "morning", "kill"))


async def test_a_worker_on_a_sqlite_file_tells_its_lag(settings: Settings, tmp_path: Path) -> None:
    """The same over the embedded queue."""
    flags = {"transport": "sqlite", "sqlite.path": tmp_path / "q.db", "sqlite.partitions": 1}
    settings = load(None, {"policies": settings.policies, "models.profile": "words", **flags})
    sender = make_sender(settings)
    await sender.start()
    await sender.send([Draft(settings.topics.events, b"k", event(str(i), "hello")) for i in range(5)])
    await sender.stop()
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    async with asking(worker) as client, running(worker), asyncio.timeout(20):
        while True:
            found = samples((await client.get("/metrics")).text)
            if found.get(("tidegate_decisions_total", (("action", "allow"),))) == 5:
                break
        assert (await client.get("/readyz")).status_code == 200
        assert found["tidegate_records_total", ()] == 5
        assert found["tidegate_assigned_partitions", ()] == 1
        assert found["tidegate_transactions_total", (("result", "ok"),)] >= 1


async def test_a_queue_that_is_away_leaves_the_worker_alive_and_not_ready(settings: Settings) -> None:
    """`/readyz` says what it waits for; a stop ends the wait."""
    port = free_port()
    flags = {"transport": "kafka", "kafka.bootstrap_servers": f"127.0.0.1:{port}"}
    settings = load(None, {"policies": settings.policies, "models.profile": "words", **flags})
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    async with asyncio.timeout(20), asking(worker) as client:
        async with running(worker):
            queue = {"detail": ""}
            while "waiting" not in queue["detail"]:
                ready = await client.get("/readyz")
                queue = next(check for check in ready.json()["checks"] if check["name"] == "queue")
            alive = await client.get("/healthz")
        assert ready.status_code == 503
        assert f"waiting for 127.0.0.1:{port}" in queue["detail"]
        assert (alive.status_code, alive.json()["detail"]) == (200, "waiting for the queue")
        assert worker.flow.credits.held == (0, 0)


async def test_publishes_that_are_refused_make_the_worker_not_ready(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ready again when they are acknowledged."""
    bench = Bench(settings)
    publish = bench.transport.publish
    refuse = True

    async def refusing(*given: object) -> None:
        if refuse:
            raise PublishFailed("not acknowledged: try again")
        await publish(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.transport, "publish", refusing)
    async with asyncio.timeout(20), asking(bench.worker) as client, bench.running():
        while (await client.get("/readyz")).status_code != 200:
            pass
        bench.send([event("1", "hello")])
        while (answer := await client.get("/readyz")).status_code != 503:
            pass
        (failed,) = [check for check in answer.json()["checks"] if not check["ok"]]
        assert (failed["name"], failed["detail"]) == ("publish", "the queue does not acknowledge")
        refuse = False
        await bench.until(1)
        while (await client.get("/readyz")).status_code != 200:
            pass


async def test_a_worker_that_loads_its_models_is_alive_and_says_so() -> None:
    """An orchestrator must not kill it, and must not send it anything yet."""
    async with (
        serving(http_app(Loading), host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert alive.status_code == 200
    assert ready.status_code == 503
    assert "loading models" in ready.text


async def test_gauges_of_the_queue_are_read_at_the_scrape(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lag in records and seconds, secrets taken up and refused, of what the worker holds at that moment."""
    bench = Bench(settings)
    one, other = Partition("moderation.events", 0), Partition("moderation.events", 1)
    health = TransportHealth(True, (one, other), "well", {one: 7, other: 0}, 2, 0.0, (2, 1))
    monkeypatch.setattr(bench.transport, "health", lambda: health)
    now_ms = int(bench.worker.flow.clock.wall() * 1000)
    bench.worker.flow.read_ms.update({one: now_ms - 60_000, other: now_ms - 60_000})
    for _ in range(2):  # a second scrape counts nothing twice
        found = samples(bench.worker.health.exposition().decode())
    at = {number: (("partition", number), ("topic", "moderation.events")) for number in "01"}
    assert found["tidegate_consumer_lag_records", at["0"]] == 7
    assert 60 <= found["tidegate_consumer_lag_seconds", at["0"]] < 120
    assert found["tidegate_consumer_lag_seconds", at["1"]] == 0  # nothing waits there
    assert found["tidegate_secret_reloads_total", (("result", "ok"),)] == 2
    assert found["tidegate_secret_reloads_total", (("result", "failed"),)] == 1
    monkeypatch.setattr(bench.transport, "health", lambda: TransportHealth(True, (one,), "well", {one: 0}, 2))
    found = samples(bench.worker.health.exposition().decode())
    assert ("tidegate_consumer_lag_records", at["1"]) not in found  # another worker tells of it now


async def test_a_drain_is_counted(settings: Settings) -> None:
    """At a revoke and at a stop; only the first is a rebalance."""
    bench = Bench(settings)
    async with bench.running():
        bench.send([event("1", "hello")])
        await bench.until(1)
        await bench.worker.pipeline.drain(frozenset({Partition("moderation.events", 0)}))
    found = samples(bench.worker.health.exposition().decode())
    assert found["tidegate_rebalances_total", ()] == 1
    assert found["tidegate_drain_seconds_count", ()] == 2
    assert found["tidegate_drains_cut_short_total", ()] == 0
