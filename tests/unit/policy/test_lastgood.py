"""A restart with the source down, or with a bad file, starts with what was in force; damage on the disk is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.policy.building import PathsOnly
from tests.unit.policy.test_bad_policies import KEY, Rig
from worker.core.clock import FakeClock
from worker.core.errors import ConfigError
from worker.policy.files import FileSet
from worker.policy.lastgood import INDEX, LastGood
from worker.policy.safeguards import Safeguards
from worker.policy.signing import fingerprint
from worker.policy.source.folder import FolderSource
from worker.policy.status import PolicyStatus
from worker.policy.store import PolicyStore

LISTS = [{"list": "lists/l.txt", "category": "a", "action": "flag"}]


class Restarts(Rig):
    """A rig whose worker may be started again over the same state folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.state = folder.parent / "state"
        self.compiler = PathsOnly()
        self.told: list[PolicyStatus] = []

    async def start(self) -> PolicyStore:
        """A new process' store, loaded and saved as `watch` does first of all."""
        self.compiler, self.told = PathsOnly(), []
        source = FolderSource(self.folder)
        self.store = PolicyStore(
            source,
            self.compiler,
            FakeClock(),
            safeguards=Safeguards(last_good=LastGood(self.state)),
            on_status=self.told.extend,
        )
        await self.store.load()
        return self.store


@pytest.fixture
def rig(tmp_path: Path) -> Restarts:
    """A good set with a list, not loaded yet."""
    made = Restarts(tmp_path / "policies")
    made.write("lists/l.txt", b"free coins\n")
    made.write("acme.json", {"id": "acme", "version": "1", "extends": "base", "terms": LISTS})
    return made


async def saved(rig: Restarts) -> str | None:
    """Load and save; gives the digest of acme's policy."""
    await (await rig.start()).reload()
    policy = rig.store.of("acme")
    return policy.digest if policy else None


async def test_with_the_source_down_the_last_good_set_is_in_force(rig: Restarts) -> None:
    """The very policies, lists and tenants of before, and `/status` says where they came from and why."""
    digest = await saved(rig)
    rig.folder.rename(rig.folder.parent / "away")
    store = await rig.start()
    policy = store.of("acme")
    assert policy is not None
    assert (policy.digest, rig.version("somebody")) == (digest, "1")
    assert [status.restored for status in store.status()] == [True, True]
    assert store.source_status.code == "source_unavailable"
    (rig.folder.parent / "away").rename(rig.folder)
    calls = rig.compiler.calls
    assert await store.reload() == "unchanged"
    assert (store.of("acme"), rig.compiler.calls) == (policy, calls)
    assert [status.restored for status in store.status()] == [True, True]


async def test_a_file_that_is_bad_at_a_start_is_replaced_by_its_last_good_version(rig: Restarts) -> None:
    """With the parent that it had then, though the parent has moved on for others."""
    digest = await saved(rig)
    rig.write("acme.json", b"{")
    rig.write("base.json", {"id": "base", "version": "2", "categories": {"a": {"flag": 0.1}}})
    store = await rig.start()
    policy = store.of("acme")
    assert policy is not None
    assert (policy.digest, rig.version("x")) == (digest, "2")
    assert "acme.json:1: not JSON" in rig.said()
    rig.write("acme.json", {"id": "acme", "version": "3", "extends": "base"})
    assert await store.reload() == "applied"
    assert (rig.version("acme"), rig.said()) == ("3", "")


async def test_bad_tenants_at_a_start_are_replaced_too(rig: Restarts) -> None:
    """Everybody keeps the policy they had."""
    await saved(rig)
    rig.write("tenants.json", b"[]")
    await rig.start()
    assert (rig.version("acme"), rig.version("x")) == ("1", "1")


async def test_a_policy_that_was_taken_away_is_not_brought_back(rig: Restarts) -> None:
    """Unless a tenant still has it."""
    await saved(rig)
    (rig.folder / "acme.json").unlink()
    rig.write("tenants.json", {"*": "base"})
    store = await rig.start()
    assert [status.id for status in store.status()] == ["base"]


async def test_nothing_saved_and_nothing_to_read_is_said(rig: Restarts) -> None:
    """A first start needs its source."""
    rig.folder.rename(rig.folder.parent / "away")
    with pytest.raises(ConfigError, match="cannot be read"):
        await rig.start()


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "another digest"])
async def test_a_damaged_index_is_not_used(rig: Restarts, damage: str) -> None:
    """Half of it, one letter of it, nothing of it: the start says there is nothing to start with."""
    await saved(rig)
    index = rig.state / "policies" / INDEX
    whole = index.read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "changed": whole.replace(b"acme", b"acne"),
        "empty": b"",
        "another digest": orjson.dumps(orjson.loads(whole) | {"sha256": "0" * 64}),
    }
    index.write_bytes(damaged[damage])
    assert LastGood(rig.state).load() is None
    rig.folder.rename(rig.folder.parent / "away")
    with pytest.raises(ConfigError, match="cannot be read"):
        await rig.start()


async def test_a_damaged_file_leaves_out_the_policies_made_of_it(rig: Restarts) -> None:
    """The others start."""
    await saved(rig)
    good = LastGood(rig.state).load()
    assert good is not None
    (rig.state / "policies" / good.policies["acme"].files["acme.json"].sha256).write_bytes(b"{}")
    rig.folder.rename(rig.folder.parent / "away")
    store = await rig.start()
    assert [status.id for status in store.status()] == ["base"]
    assert (store.of("acme"), rig.version("x")) == (None, "1")


async def test_one_change_writes_one_file(rig: Restarts) -> None:
    """A thousand tenants are not written again for one."""
    await saved(rig)
    before = {path.name for path in (rig.state / "policies").iterdir()}
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "terms": LISTS})
    assert await rig.store.reload() == "applied"
    after = {path.name for path in (rig.state / "policies").iterdir()}
    assert len(after - before) == 1
    assert not any(name.startswith(".") for name in after)


async def test_a_folder_that_cannot_be_written_is_said_and_stops_nothing(rig: Restarts) -> None:
    """And written once it can be."""
    rig.state.write_text("no folder")
    await saved(rig)
    assert rig.version("acme") == "1"
    rig.state.unlink()
    await rig.store.reload()
    assert (rig.state / "policies" / INDEX).is_file()


async def test_what_was_saved_without_the_key_is_not_used_with_one(tmp_path: Path) -> None:
    """Else whoever can write to the disk of an unsigned past could choose the policies of a signed present."""
    rig = Rig(tmp_path / "policies", signed=True)

    def store(key: Ed25519PrivateKey | None) -> PolicyStore:
        last = LastGood(tmp_path / "state", fingerprint(key.public_key()) if key else None)
        safeguards = Safeguards(last_good=last, key=key.public_key() if key else None)
        return PolicyStore(FolderSource(rig.folder), PathsOnly(), FakeClock(), safeguards=safeguards)

    unsigned = store(None)
    await unsigned.load()
    await unsigned.reload()
    rig.folder.rename(tmp_path / "away")
    with pytest.raises(ConfigError):
        await store(KEY).load()
    await store(None).load()
    (tmp_path / "away").rename(rig.folder)
    await store(KEY).load()
    again = store(KEY)
    await again.load()
    await again.reload()
    rig.folder.rename(tmp_path / "away")
    await store(KEY).load()


async def test_status_is_told_where_it_changed(rig: Restarts) -> None:
    """Each policy at the start, then the one that changed, then the one that went wrong; never twice."""
    store = await rig.start()
    assert [status.id for status in rig.told] == ["acme", "base"]
    rig.told.clear()
    await store.reload()
    assert rig.told == []
    rig.write("acme.json", b"{")
    await store.reload()
    await store.reload()
    (status,) = rig.told
    record: dict[str, Any] = status.as_json()
    assert (record["name"], record["version"], record["code"]) == ("acme", "1", "policy_rejected")
    assert record["errors"][0]["location"] == {"file": "acme.json", "row": 1, "path": None}
    assert json.dumps(record)


def test_a_set_is_read_by_what_it_was_made_of(tmp_path: Path) -> None:
    """A file that changed since the set was read is not taken for the one that was."""
    (tmp_path / "a.json").write_bytes(b"1")
    found: FileSet = FolderSource(tmp_path).scan()
    (tmp_path / "a.json").write_bytes(b"2")
    with pytest.raises(ValueError, match="changed while it was read"):
        found.read("a.json", 9)
