"""Kubernetes: every object is what its schema says; they agree with each other and with the settings."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from worker.settings import Settings, load

ROOT = Path(__file__).resolve().parents[3]
K8S = ROOT / "ops" / "k8s"
OVERLAYS = ("production", "exactly-once", "gpu")
Objects = list[dict[str, Any]]


@cache
def schemas() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((K8S / "schemas" / "kinds.json").read_text("utf-8"))
    return found


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schemas()["kinds"][kind], "definitions": schemas()["definitions"]})


def check(thing: dict[str, Any]) -> None:
    """Raises ValidationError; KeyError for a kind that has no schema here."""
    validator(f"{thing['apiVersion']} {thing['kind']}").validate(thing)


def parsed(text: str) -> Objects:
    return [thing for thing in yaml.safe_load_all(text) if thing]


@cache
def built(overlay: str) -> Objects | None:
    """What kustomize makes of it; None where neither kustomize nor kubectl is installed."""
    for command in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, K8S / "overlays" / overlay], capture_output=True, text=True, check=True)
            return parsed(done.stdout)
    return None


def objects(overlay: str) -> Objects:
    """Of an overlay as built; else the files that it builds on, as they stand."""
    paths = [path for folder in ("base", "kafka") for path in sorted((K8S / folder).glob("*.yaml"))]
    files = [path for path in paths if path.name != "kustomization.yaml"]
    return built(overlay) or [thing for path in files for thing in parsed(path.read_text("utf-8"))]


def the(kind: str, name: str = "tidegate", overlay: str = "production") -> dict[str, Any]:
    (found,) = [one for one in objects(overlay) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(K8S / "base" / "tidegate.toml")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str) -> None:
    """Against the schemas of Kubernetes 1.34, KEDA and Strimzi, where an unknown field is a mistake."""
    found = objects(overlay)
    assert {one["kind"] for one in found} >= {"Deployment", "ScaledObject", "PodDisruptionBudget", "NetworkPolicy"}
    assert {one["kind"] for one in found} >= {"KafkaTopic", "KafkaUser", "TriggerAuthentication", "ServiceAccount"}
    for one in found:
        check(one)


def test_a_misspelt_field_would_be_found() -> None:
    """The schemas are closed: what the server would prune or refuse does not pass here."""
    for kind, name in (("Deployment", "tidegate"), ("KafkaUser", "tidegate"), ("ScaledObject", "tidegate")):
        thing = json.loads(json.dumps(the(kind, name)))
        thing["spec"]["replcas"] = 1
        with pytest.raises(jsonschema.ValidationError):
            check(thing)


def test_patches_of_overlays_are_lists_of_operations() -> None:
    """Also where nothing is there to build them with."""
    for overlay in OVERLAYS:
        document = yaml.safe_load((K8S / "overlays" / overlay / "kustomization.yaml").read_text("utf-8"))
        for patch in document.get("patches", ()):
            operations = yaml.safe_load(patch["patch"])
            assert operations
            assert all(one.keys() == {"op", "path", "value"} for one in operations)


def test_the_worker_may_do_nothing_that_it_does_not_need() -> None:
    """No root, no new privileges, no capability, a root that cannot be written, no token of the cluster."""
    pod = the("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    own = container["securityContext"]
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert own["capabilities"] == {"drop": ["ALL"]}


def test_a_pod_has_time_to_drain(settings: Settings) -> None:
    """Draining, then leaving the group: a kill before that would leave work to be done twice."""
    grace = the("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > settings.flow.drain_s + 2 * settings.kafka.stop_timeout_ms / 1000


def test_topics_and_rights_are_those_that_the_settings_need(settings: Settings) -> None:
    """Read on the input and the group, Write on the outputs, and no right more."""
    topics = {one["metadata"]["name"]: one["spec"] for one in objects("production") if one["kind"] == "KafkaTopic"}
    assert topics.keys() == {settings.topics.events, *settings.topics.outputs}
    assert len({spec["partitions"] for spec in topics.values()}) == 1
    rights = {
        (acl["resource"]["type"], acl["resource"]["name"], acl["resource"]["patternType"]): set(acl["operations"])
        for acl in the("KafkaUser")["spec"]["authorization"]["acls"]
    }
    outputs = {("topic", topic, "literal"): {"Write", "Describe"} for topic in settings.topics.outputs}
    assert rights == {
        ("topic", settings.topics.events, "literal"): {"Read", "Describe"},
        ("group", settings.kafka.group_id, "literal"): {"Read"},
        **outputs,
    }


def test_exactly_once_adds_the_right_to_its_transactional_ids(settings: Settings) -> None:
    """They begin with the group's name; and markers do not wake a group that sleeps."""
    if built("exactly-once") is None:
        text = (K8S / "overlays" / "exactly-once" / "kustomization.yaml").read_text("utf-8")
        assert "transactionalId" in text
        return
    acls = the("KafkaUser", overlay="exactly-once")["spec"]["authorization"]["acls"]
    (own,) = [acl for acl in acls if acl["resource"]["type"] == "transactionalId"]
    assert own["resource"]["name"] == f"{settings.kafka.group_id}-"
    assert own["resource"]["patternType"] == "prefix"


def test_the_scaler_looks_at_the_workers_own_lag(settings: Settings) -> None:
    """The same topic and group; never more workers than partitions; at least as much lag as markers can make."""
    (trigger,) = the("ScaledObject")["spec"]["triggers"]
    told = trigger["metadata"]
    assert (told["topic"], told["consumerGroup"]) == (settings.topics.events, settings.kafka.group_id)
    assert told["bootstrapServers"] == settings.kafka.bootstrap_servers
    assert told["excludePersistentLag"] == "true"
    partitions = the("KafkaTopic", settings.topics.events)["spec"]["partitions"]
    assert the("ScaledObject")["spec"]["maxReplicaCount"] <= partitions <= int(told["activationLagThreshold"])


def test_every_file_that_the_settings_name_is_mounted(settings: Settings) -> None:
    """Policies, the password, the CA, and a folder that can be written for the last good set."""
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    mounts = [Path(one["mountPath"]) for one in container["volumeMounts"]]
    for path in (*settings.kafka.secret_files, Path(settings.policies), settings.state):
        assert any(path.is_relative_to(mount) for mount in mounts), path
