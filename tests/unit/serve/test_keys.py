"""API keys: only the whole key is its tenant's, and only hashes are kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from worker.core.clock import FakeClock
from worker.core.errors import ConfigError
from worker.serve.keys import KeyRing, new_key, read_keys
from worker.serve.reread import Reread
from worker.serve.rows import write_rows


def test_a_key_is_its_tenants_and_no_other_text_is(tmp_path: Path) -> None:
    """A letter more, a letter less, another's secret under this name: nobody's."""
    (one, name, row), (two, other, second) = new_key("acme"), new_key("beta")
    ring = KeyRing({name: row, other: second})
    assert (ring.tenant_of(one), ring.tenant_of(two)) == ("acme", "beta")
    secret = two.rpartition("_")[2] if two.count("_") == 2 else two.split("_", 2)[2]
    for wrong in ("", "tg_", one[:-1], f"{one}x", one.upper(), f"tg_{name}_{secret}", f" {one}", f"{one}\n"):
        assert ring.tenant_of(wrong) is None


def test_the_file_keeps_no_key_and_is_its_owners_alone(tmp_path: Path) -> None:
    """What is read back knows the key all the same."""
    path = tmp_path / "keys.json"
    key, name, row = new_key("acme", "the chat server")
    write_rows(path, {name: row})
    assert key.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(path).tenant_of(key) == "acme"


@pytest.mark.parametrize("text", ["[]", "{", '{"a": {"tenant": "x"}}', '{"a": {"tenant": "x", "sha256": "short"}}'])
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str) -> None:
    """Before the endpoint listens."""
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"keys\.json"):
        read_keys(path)


def test_a_running_endpoint_follows_its_file(tmp_path: Path) -> None:
    """Within a second; a file that is broken or gone leaves in force what was before, and is told once."""
    path, clock, told = tmp_path / "keys.json", FakeClock(), list[str]()
    (one, name, row), (two, other, second) = new_key("acme"), new_key("beta")
    write_rows(path, {name: row})
    keys = Reread(path, read_keys, clock, told.append)
    write_rows(path, {other: second})
    assert (keys().tenant_of(one), keys().tenant_of(two)) == ("acme", None)
    clock.advance(1)
    assert (keys().tenant_of(one), keys().tenant_of(two)) == (None, "beta")
    for spoil in (lambda: path.write_text("{"), path.unlink):
        spoil()
        for _ in range(3):
            clock.advance(1)
            assert keys().tenant_of(two) == "beta"
    write_rows(path, {name: row})
    clock.advance(1)
    assert (keys().tenant_of(one), keys().tenant_of(two)) == ("acme", None)
    assert told == ["ok", "failed", "failed", "ok"]
