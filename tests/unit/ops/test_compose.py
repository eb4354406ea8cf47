"""Container files: they agree with each other and with the worker's own settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.settings import Settings, load

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return found


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(ROOT / "ops" / "compose" / "tidegate.toml")


def test_every_topic_the_worker_uses_is_created(services: dict[str, Any], settings: Settings) -> None:
    """Automatic creation is off, so a topic that is left out would stop the worker."""
    created = set(re.findall(r"^create ([\w.-]+)", services["topics"]["command"][0], re.MULTILINE))
    assert created == {settings.topics.events, *settings.topics.outputs}
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_worker_finds_the_broker_and_starts_after_the_topics(services: dict[str, Any], settings: Settings) -> None:
    """The address in the settings is the one the broker tells its clients."""
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"PLAINTEXT://{settings.kafka.bootstrap_servers}" in advertised
    assert services["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"
    assert services["worker"]["depends_on"]["topics"]["condition"] == "service_completed_successfully"


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    """Nothing of this is for the outside."""
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_container_has_time_to_drain(services: dict[str, Any], settings: Settings) -> None:
    """A kill before the drain's end would leave work to be done twice."""
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) > settings.flow.drain_s


def test_every_mounted_file_is_there(services: dict[str, Any]) -> None:
    """Docker would silently make a folder of a missing file."""
    for volume in services["worker"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).exists()


def test_the_image_is_bare_and_checked() -> None:
    """Hashed packages, another user than root, a health check on the settings' port."""
    lines = (ROOT / "Dockerfile").read_text("utf-8")
    assert "--require-hashes" in lines
    assert re.search(r"^USER 10001$", lines, re.MULTILINE)
    assert "127.0.0.1:8080/healthz" in lines
    copied = re.findall(r"^COPY (?!--from)(\S+)", lines, re.MULTILINE)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    assert all((ROOT / path).exists() for path in copied)
