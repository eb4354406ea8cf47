"""Where policies come from is told from one string, and never comes over a line that anybody can write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.core.errors import ConfigError
from worker.policy.settings import place_of
from worker.policy.source.bundle import BundleSource
from worker.policy.source.folder import FolderSource
from worker.policy.source.opening import open_source
from worker.policy.source.topic import TopicSource
from worker.settings import load
from worker.transport.memory import MemoryLog, MemoryTail


def test_a_folder_a_url_and_a_topic_are_told_apart() -> None:
    """By how they begin; everything else is a folder."""
    said = ["policies", "/etc/policies", "https://h/p.tar.gz", "topic:moderation.policies"]
    assert [place_of(one).kind for one in said] == ["folder", "folder", "url", "topic"]
    assert place_of("topic: moderation.policies").where == "moderation.policies"


async def test_each_opens_its_source() -> None:
    """Named as people would name it."""
    settings = load(None, {"policies": "x"}).policy_source

    def tail(topic: str) -> MemoryTail:
        return MemoryTail(MemoryLog(), [topic])

    said = {"x": FolderSource, "https://h/p.tar.gz": BundleSource, "topic:t": TopicSource}
    for place, kind in said.items():
        source = open_source(place, settings, tail)
        assert isinstance(source, kind)
        await source.stop()


@pytest.mark.parametrize("policies", ["", "topic:", "https://", "http://example.com/p.tar.gz"])
def test_a_place_that_cannot_be_is_refused(policies: str) -> None:
    """Plain http to another machine among them."""
    with pytest.raises(ConfigError, match="policies"):
        load(None, {"policies": policies})


def test_plain_http_is_for_this_machine_or_for_signed_sets(tmp_path: Path) -> None:
    """A signature makes the line not matter."""
    load(None, {"policies": "http://127.0.0.1:8000/p.tar.gz"})
    load(None, {"policies": "http://example.com/p.tar.gz", "policy_source.public_key": tmp_path / "k.pub"})
