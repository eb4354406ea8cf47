"""Container files: they agree with each other and with the worker's own settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ops.images import FILES, pinned
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
    for service in services.values():
        for volume in service.get("volumes", ()):
            assert (ROOT / volume.split(":")[0]).exists()


def test_the_file_is_what_the_compose_specification_says() -> None:
    """Its own JSON schema, vendored."""
    schema = json.loads((ROOT / "ops" / "k8s" / "schemas" / "compose-spec.json").read_text("utf-8"))
    jsonschema.validate(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8")), schema)


def test_prometheus_and_grafana_have_what_they_are_told_to_read(services: dict[str, Any], settings: Settings) -> None:
    """The rules beside the configuration, the worker by its name and port, the dashboard where it is looked for."""
    config = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    mounted = {volume.split(":")[1] for volume in services["prometheus"]["volumes"]}
    assert {f"/etc/prometheus/{name}" for name in config["rule_files"]} < mounted
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["worker"], settings.http.port)
    places = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    provider = yaml.safe_load((ROOT / "ops/grafana/provisioning/dashboards/tidegate.yaml").read_text("utf-8"))
    folder = provider["providers"][0]["options"]["path"]
    assert f"{folder}/tidegate.json" in places


def test_images_are_pinned_by_digest_when_a_registry_is_asked() -> None:
    """Every image of others, once; ours is built here."""
    for name in FILES:
        text = (ROOT / name).read_text("utf-8")
        once = pinned(text, lambda image: "sha256:" + "a" * 64)
        found = re.findall(r"(?:image: |FROM )(\S+:\S+)@sha256:a{64}", once)
        assert len(found) >= 2
        assert not any(image.endswith(":latest") for image in found)
        assert len(re.findall(r"(?:image: |FROM )\S+:\S+@sha256:[0-9a-f]{64}", text)) == len(found) > 0
        assert pinned(once, lambda image: "sha256:" + "a" * 64) == once


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
