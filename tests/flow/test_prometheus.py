"""A real Prometheus scrapes a real worker: every panel has data, every rule evaluates, what is well does not alert."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml

from ops.grafana import dashboard
from ops.kafka.nodes import free_port
from ops.prometheus.tools import tool
from tests.flow.conftest import SHIPPED, Bench, event
from worker.lifecycle import http_app, serving
from worker.score.profile import Models
from worker.settings import load

RULES = Path(dashboard.__file__).parents[1] / "prometheus"


@asynccontextmanager
async def prometheus(folder: Path, target: int) -> AsyncIterator[httpx.AsyncClient]:
    """One that scrapes 127.0.0.1:`target` five times a second under the rules as they ship; a client of its API."""
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "500ms"},
        "rule_files": [str(RULES / "rules.yaml"), str(RULES / "alerts.yaml")],
        "scrape_configs": [{"job_name": "tidegate", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    port, words = free_port(), ["--log.level=error", f"--storage.tsdb.path={folder}/data"]
    process = subprocess.Popen(  # noqa: ASYNC220  # returns at once
        [
            tool("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--web.listen-address=127.0.0.1:{port}",
            *words,
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.kill()
        process.wait()


async def ask(client: httpx.AsyncClient, path: str, **params: str) -> Any:
    """The `data` of an answer; None while Prometheus starts. A query that it refuses fails the test."""
    try:
        answer = await client.get(f"/api/v1/{path}", params=params)
    except httpx.TransportError:
        return None
    if answer.status_code == 503:
        return None
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def policies_of(folder: Path) -> Path:
    """The shipped policies, and a tenant that sheds what is late."""
    folder.mkdir()
    hurried = {"id": "hurried", "version": "1", "extends": "default", "otherwise": {"late": "flag"}}
    for path in SHIPPED.glob("*.json"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "lists").symlink_to(SHIPPED / "lists")
    tenants = orjson.loads((SHIPPED / "tenants.json").read_bytes())
    (folder / "hurried.json").write_bytes(orjson.dumps(hurried))
    (folder / "tenants.json").write_bytes(orjson.dumps({**tenants, "hurried": "hurried"}))
    return folder


@pytest.mark.models
async def test_every_panel_has_data_from_a_worker_under_a_real_prometheus(tmp_path: Path, embedded: Models) -> None:
    """Texts allowed and blocked, a broken picture, a late event, a record that is no event, a tombstone."""
    bench = Bench(load(None, {"policies": policies_of(tmp_path / "policies")}), models=embedded)
    queries = [
        expr.replace("$__rate_interval", "30s") for row in dashboard.ROWS.values() for p in row for expr, _ in p.queries
    ]
    values = [
        event("1", "good morning"),
        event("2", "I will find you and I will kill you"),
        orjson.dumps({"id": "3", "tenant": "acme", "parts": [{"type": "image", "data": "AAAA"}]}),
        event("4", "hello there", tenant="hurried", deadline_ms=1),
        b"{",
        None,
    ]
    async with (
        asyncio.timeout(50),
        serving(http_app(lambda: bench.worker.health), host="127.0.0.1", port=0) as port,
        prometheus(tmp_path, port) as client,
        bench.running(),
    ):
        empty = queries
        while empty:
            bench.send(values)
            await asyncio.sleep(0.5)
            empty = [query for query in queries if not ((await ask(client, "query", query=query)) or {}).get("result")]
        rules = [rule for group in (await ask(client, "rules"))["groups"] for rule in group["rules"]]
        while any(rule["health"] == "unknown" for rule in rules):
            await asyncio.sleep(0.2)
            rules = [rule for group in (await ask(client, "rules"))["groups"] for rule in group["rules"]]
        alerts = (await ask(client, "alerts"))["alerts"]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"} == set()
