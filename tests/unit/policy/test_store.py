"""Reload on real files: what is good comes into force tenant by tenant, what is bad keeps the last good one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.policy.building import PathsOnly
from worker.core.clock import FakeClock
from worker.core.errors import ConfigError, ModelFailed
from worker.policy.reading import MAX_FILE_BYTES
from worker.policy.source.folder import FolderSource
from worker.policy.store import PolicyStore, ReloadResult

BASE: dict[str, Any] = {"id": "base", "version": "1", "categories": {"a": {"flag": 0.5}}}


class Folder:
    """A policies folder that a test writes to as an editor would: beside, then renamed over."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: Any) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
        beside = self.path.parent / f"{name}.new"
        beside.write_bytes(raw)
        beside.rename(self.path / name)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "policies"
    path.mkdir()
    made = Folder(path)
    made.write("base.json", BASE)
    made.write("acme.json", {"id": "acme", "version": "1", "extends": "base"})
    made.write("tenants.json", {"*": "base", "acme": "acme"})
    return made


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


async def opened(folder: Folder, results: list[ReloadResult] | None = None) -> PolicyStore:
    told = results if results is not None else []
    store = PolicyStore(FolderSource(folder.path), PathsOnly(), FakeClock(), told.append)
    await store.load()
    return store


def version(store: PolicyStore, tenant: str) -> str | None:
    policy = store.of(tenant)
    return policy.version if policy else None


async def test_each_tenant_has_its_policy(folder: Folder) -> None:
    """And everyone else that of "*"."""
    store = await opened(folder)
    ids = [policy.id for policy in (store.of("acme"), store.of("nobody")) if policy]
    assert ids == ["acme", "base"]


async def test_without_everyones_policy_an_unknown_tenant_has_none(folder: Folder) -> None:
    """Its events go to the dead letter."""
    folder.write("tenants.json", {"acme": "acme"})
    assert (await opened(folder)).of("nobody") is None


async def test_a_changed_file_comes_into_force(folder: Folder) -> None:
    """For its own tenants and for those that extend it; a snapshot taken before stays what it was."""
    results: list[ReloadResult] = []
    store = await opened(folder, results)
    before = store.of("acme")
    assert before is not None
    folder.write("base.json", BASE | {"version": "2", "categories": {"a": {"flag": 0.1}}})
    assert await store.reload() == "applied"
    after = store.of("acme")
    assert after is not None
    assert (version(store, "x"), after.digest != before.digest) == ("2", True)
    assert await store.reload() == "unchanged"
    assert store.of("acme") is after
    assert results == ["applied", "unchanged"]


async def test_only_what_changed_is_compiled(folder: Folder) -> None:
    """A thousand tenants must not be compiled again for one."""
    compiler = PathsOnly()
    store = PolicyStore(FolderSource(folder.path), compiler, FakeClock())
    await store.load()
    assert compiler.calls == 2
    folder.write("acme.json", {"id": "acme", "version": "2", "extends": "base"})
    await store.reload()
    assert compiler.calls == 3


async def test_going_back_to_the_version_before_works(folder: Folder) -> None:
    """What is compared is the digest in force, not the one tried last."""
    store = await opened(folder)
    folder.write("base.json", b"{")
    await store.reload()
    folder.write("base.json", BASE)
    assert await store.reload() == "unchanged"
    folder.write("base.json", BASE | {"version": "2"})
    await store.reload()
    folder.write("base.json", BASE)
    assert await store.reload() == "applied"
    assert version(store, "x") == "1"


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b'{"id": "acme",\n "version": "2"', 2, "not JSON"),
        (b'{"id": "acme", "version": "2",\n "categories": {"b": {"flag": 7}}}', 2, "from 0 to 1"),
        (b'{"id": "acme", "version": "2",\n "extends": "gone"}', 2, "no valid policy 'gone'"),
        (
            b'{"id": "acme", "version": "2",\n\n "terms": [{"list": "no.txt", "category": "a", "action": "flag"}]}',
            3,
            "no.txt",
        ),
        (b'{"id": "acme", "version": "2", "extends": "base",\n "when": [{"if": "1 +", "set": {}}]}', 2, "not a CEL"),
        (b"\xff", 1, "not UTF-8"),
        (b" " * (MAX_FILE_BYTES + 1), None, "bytes are more than"),
    ],
)
async def test_a_bad_file_keeps_the_last_good_one(
    folder: Folder, logged: list[Any], content: bytes, line: int | None, says: str
) -> None:
    """For its tenants alone; the log and the status say which line is wrong, once, until it is mended."""
    store = await opened(folder)
    good = store.of("acme")
    logged.clear()
    folder.write("acme.json", content)
    folder.write("base.json", BASE | {"version": "2"})
    assert await store.reload() == "rejected"
    assert await store.reload() == "rejected"
    assert store.of("acme") is good
    assert version(store, "x") == "2"
    (warning,) = [entry for entry in logged if entry["event"] == "policy.rejected"]
    assert (warning["file"], warning["line"], warning["policy"]) == ("acme.json", line, "acme")
    (status,) = [s for s in store.status() if s.id == "acme"]
    assert good is not None
    assert (status.active, status.tenants) == (good.digest, ("acme",))
    assert status.error is not None
    assert says in status.error
    folder.write("acme.json", {"id": "acme", "version": "3", "extends": "base"})
    assert await store.reload() == "applied"
    assert (version(store, "acme"), [s.error for s in store.status()]) == ("3", [None, None])


async def test_a_file_that_is_bad_from_the_start_leaves_its_tenants_without(folder: Folder, logged: list[Any]) -> None:
    """Not with "*": a tenant with rules of its own must not be judged by others. The rest loads."""
    folder.write("acme.json", b"{")
    store = await opened(folder)
    assert store.of("acme") is None
    assert version(store, "x") == "1"
    assert {entry["file"] for entry in logged if entry["event"] == "policy.rejected"} == {"acme.json", "tenants.json"}


async def test_two_files_with_one_id_are_both_refused(folder: Folder) -> None:
    """Neither can be said to be the right one; the last good one stays."""
    store = await opened(folder)
    folder.write("copy.json", {"id": "acme", "version": "9", "extends": "base"})
    assert await store.reload() == "rejected"
    assert version(store, "acme") == "1"
    assert any("both have the id 'acme'" in str(status.error) for status in store.status())


async def test_a_policy_file_may_not_be_a_link_out_of_the_folder(folder: Folder) -> None:
    """A mounted ConfigMap's links stay inside and are fine."""
    hidden = folder.path / "..2026_11_24"
    hidden.mkdir()
    (hidden / "inner.json").write_text(json.dumps(BASE | {"id": "inner"}))
    (folder.path / "inner.json").symlink_to("..2026_11_24/inner.json")
    (folder.path.parent / "outer.json").write_text(json.dumps(BASE | {"id": "outer"}))
    (folder.path / "outer.json").symlink_to("../outer.json")
    store = await opened(folder)
    known = {status.id: status for status in store.status()}
    assert known["inner"].active is not None
    assert "leads out of the policies folder" in str(known["outer.json"].error)


async def test_bad_tenants_keep_the_last_good_mapping(folder: Folder) -> None:
    """A policy may change meanwhile."""
    store = await opened(folder)
    folder.write("tenants.json", b'{"*": 3}')
    folder.write("acme.json", {"id": "acme", "version": "2", "extends": "base"})
    assert await store.reload() == "rejected"
    assert version(store, "acme") == "2"


async def test_a_tenant_whose_policy_goes_away_keeps_it(folder: Folder) -> None:
    """And says so; once it is mapped elsewhere it is forgotten."""
    store = await opened(folder)
    (folder.path / "acme.json").unlink()
    assert await store.reload() == "rejected"
    assert version(store, "acme") == "1"
    folder.write("tenants.json", {"*": "base"})
    assert await store.reload() == "applied"
    policy = store.of("acme")
    assert policy is not None
    assert (policy.id, [status.id for status in store.status()]) == ("base", ["base"])


async def test_a_model_that_fails_on_the_examples_rejects_the_policy(folder: Folder) -> None:
    """The reload goes on with the others."""

    class Failing(PathsOnly):
        def compile(self, categories: Any) -> Any:
            if self.calls >= 2:
                raise ModelFailed("out of memory")
            return super().compile(categories)

    store = PolicyStore(FolderSource(folder.path), Failing(), FakeClock())
    await store.load()
    folder.write("base.json", BASE | {"version": "2"})
    assert await store.reload() == "rejected"
    assert version(store, "x") == "1"


@pytest.mark.parametrize("missing", ["tenants.json", "everything", "the folder"])
async def test_nothing_to_load_is_said_and_ends_the_start(folder: Folder, missing: str) -> None:
    """A worker without any policy would send all it reads to the dead letter."""
    for path in folder.path.iterdir():
        if missing != "tenants.json" or path.name == missing:
            path.unlink()
    if missing == "the folder":
        folder.path.rmdir()
    with pytest.raises(ConfigError, match=r"policies"):
        await opened(folder)


async def test_the_folder_going_away_keeps_everything(folder: Folder) -> None:
    """It is tried again when it is back."""
    store = await opened(folder)
    away = folder.path.rename(folder.path.parent / "away")
    assert await store.reload() == "rejected"
    assert version(store, "acme") == "1"
    away.rename(folder.path)
    assert await store.reload() == "unchanged"


async def test_a_change_is_seen_and_applied(folder: Folder) -> None:
    """Real file events: a rename over a file, then a change of a list."""
    (folder.path / "lists").mkdir()
    (folder.path / "lists" / "l.txt").write_text("foo\n")
    applied, stop = asyncio.Event(), asyncio.Event()
    store = PolicyStore(
        FolderSource(folder.path),
        PathsOnly(),
        FakeClock(),
        lambda result: applied.set() if result == "applied" else None,
    )
    await store.load()
    watching = asyncio.create_task(store.watch(stop))
    terms = [{"list": "lists/l.txt", "category": "a", "action": "flag"}]
    folder.write("base.json", BASE | {"version": "2", "terms": terms})
    await asyncio.wait_for(applied.wait(), 20)
    assert version(store, "x") == "2"
    applied.clear()
    (folder.path / "lists" / "l.txt").write_text("foo\nbar\n")
    await asyncio.wait_for(applied.wait(), 20)
    policy = store.of("x")
    assert policy is not None
    assert policy.lists[0].entries == ("foo", "bar")  # type: ignore[union-attr]
    stop.set()
    await asyncio.wait_for(watching, 20)
