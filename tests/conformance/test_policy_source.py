"""Every source of policies gives the same: the whole set, a change once it is there, and a refusal that says why."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.conformance.kafka_rig import kafka_rig
from tests.conformance.rigs import Rig, memory_rig, send, sqlite_rig
from worker.core.errors import SourceUnavailable
from worker.core.records import Draft
from worker.lifecycle import serving
from worker.policy.files import FileSet
from worker.policy.source import PolicySource
from worker.policy.source.bundle import BundleSource
from worker.policy.source.folder import FolderSource
from worker.policy.source.topic import TopicSource

A_MINUTE = 50.0


class Publisher(Protocol):
    """The other end of a source."""

    async def put(self, files: dict[str, bytes | None]) -> None:
        """Write files; None removes one."""
        ...


@dataclass
class SourceRig:
    """A source and what writes to it."""

    source: PolicySource
    publisher: Publisher


class FolderPublisher:
    """Writes beside and renames, as an editor does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, files: dict[str, bytes | None]) -> None:
        """As `Publisher` says."""
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
                continue
            beside = self._folder.parent / "beside"
            beside.write_bytes(content)
            beside.rename(path)


class TopicPublisher:
    """Appends a record a file."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def put(self, files: dict[str, bytes | None]) -> None:
        """As `Publisher` says."""
        topic = self._rig.topics.events
        await send(self._rig, [Draft(topic, name.encode(), content) for name, content in files.items()])


class BundlePublisher:
    """Serves a tar.gz with its ETag, and counts what was sent whole."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.status = 200
        self.body: bytes | None = None  # in place of the bundle
        self.sent = 0
        self.seen: list[str | None] = []

    async def put(self, files: dict[str, bytes | None]) -> None:
        """As `Publisher` says."""
        for name, content in files.items():
            if content is None:
                del self.files[name]
            else:
                self.files[name] = content

    async def answer(self, request: Request) -> Response:
        """The endpoint."""
        etag = f'"{hash(tuple(self.files.items()))}"'
        self.seen.append(request.headers.get("if-none-match"))
        if self.status != 200:
            return Response(status_code=self.status)
        if self.seen[-1] == etag:
            return Response(status_code=304)
        self.sent += 1
        return Response(packed(self.files) if self.body is None else self.body, headers={"ETag": etag})


def packed(files: dict[str, bytes]) -> bytes:
    """A tar.gz of `files`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@asynccontextmanager
async def bundle(publisher: BundlePublisher, *, max_bytes: int = 1 << 20) -> AsyncIterator[BundleSource]:
    """A source over a real server on this machine."""
    app = Starlette(routes=[Route("/set.tar.gz", publisher.answer)])
    async with serving(app, host="127.0.0.1", port=0) as port:
        url = f"http://127.0.0.1:{port}/set.tar.gz?signature=secret"
        source = BundleSource(url, poll_s=0.05, timeout_s=20, max_bytes=max_bytes, first_wait_s=0.001)
        yield source
        await source.stop()


def topic(rig: Rig, *, max_bytes: int = 1 << 20) -> SourceRig:
    """A source over a topic of `rig`."""
    name = rig.topics.events
    source = TopicSource(lambda: rig.tail([name]), name, timeout_s=A_MINUTE, max_bytes=max_bytes)
    return SourceRig(source, TopicPublisher(rig))


KINDS = ["folder", "bundle", "memory", "sqlite", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=KINDS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SourceRig]:
    """A fresh source of each kind, empty."""
    if request.param == "folder":
        (tmp_path / "policies").mkdir()
        yield SourceRig(FolderSource(tmp_path / "policies"), FolderPublisher(tmp_path / "policies"))
    elif request.param == "bundle":
        publisher = BundlePublisher()
        async with bundle(publisher) as source:
            yield SourceRig(source, publisher)
    else:
        rigs: dict[str, Callable[[], Rig]] = {"memory": memory_rig, "sqlite": lambda: sqlite_rig(tmp_path)}
        made = topic(
            rigs[request.param]() if request.param in rigs else await kafka_rig(request.getfixturevalue("kafka"))
        )
        yield made
        await made.source.stop()


async def until(source: PolicySource, wanted: Callable[[FileSet], bool]) -> FileSet:
    """Read after each change until `wanted`."""
    stop = asyncio.Event()
    async with asyncio.timeout(A_MINUTE):
        while not wanted(found := await source.read()):
            await source.changed(stop)
    return found


async def test_the_first_reading_has_every_file(rig: SourceRig) -> None:
    """With its bytes and their digest; a file in a folder by its whole name; hidden ones are no part of it."""
    files = {f"t{i}.json": b'{"n": %d}' % i for i in range(30)}
    await rig.publisher.put({**files, "lists/words.txt": b"one\ntwo\n", ".hidden": b"x"})
    found = await rig.source.read()
    assert set(found.files) == {*files, "lists/words.txt"}
    assert found.read("./lists//words.txt", 100) == b"one\ntwo\n"
    assert found.read("t7.json", 100) == b'{"n": 7}'


async def test_the_same_files_have_the_same_revision(rig: SourceRig) -> None:
    """Whatever order they came in; another byte is another revision."""
    await rig.publisher.put({"a.json": b"1", "b.json": b"2"})
    first = await rig.source.read()
    assert (await rig.source.read()).revision == first.revision
    await rig.publisher.put({"b.json": b"3"})
    second = await until(rig.source, lambda found: found.read("b.json", 9) == b"3")
    assert second.revision != first.revision


async def test_a_change_is_noticed(rig: SourceRig) -> None:
    """A new file, a changed one, one that is gone."""
    await rig.publisher.put({"a.json": b"1", "b.json": b"1"})
    await rig.source.read()
    await rig.publisher.put({"a.json": b"2", "c.json": b"1"})
    await until(rig.source, lambda found: found.files.keys() == {"a.json", "b.json", "c.json"})
    await rig.publisher.put({"b.json": None})
    found = await until(rig.source, lambda found: "b.json" not in found.files)
    assert found.read("a.json", 9) == b"2"


async def test_a_file_over_the_limit_of_its_reader_is_refused(rig: SourceRig) -> None:
    """By its size, before its bytes are looked at."""
    await rig.publisher.put({"a.json": b"12345"})
    found = await rig.source.read()
    with pytest.raises(ValueError, match="5 bytes are more than the 4 allowed"):
        found.read("a.json", 4)


async def test_a_name_that_leads_out_is_refused(rig: SourceRig) -> None:
    """And one that is not there is said to be missing."""
    await rig.publisher.put({"a.json": b"1"})
    found = await rig.source.read()
    with pytest.raises(ValueError, match="leads out"):
        found.read("../a.json", 9)
    with pytest.raises(FileNotFoundError):
        found.read("b.json", 9)


async def test_waiting_for_a_change_ends_with_the_worker(rig: SourceRig) -> None:
    """So that a drain is not held up."""
    await rig.publisher.put({"a.json": b"1"})
    await rig.source.read()
    stop = asyncio.Event()
    waiting = asyncio.create_task(rig.source.changed(stop))
    stop.set()
    async with asyncio.timeout(A_MINUTE):
        await waiting


async def test_a_folder_that_is_away_says_so_and_comes_back(tmp_path: Path) -> None:
    """Also one that is put back in place of the first, which is another folder to the system."""
    source = FolderSource(tmp_path / "policies")
    with pytest.raises(SourceUnavailable, match="cannot be read: No such file"):
        await source.read()
    await source.changed(asyncio.Event())
    publisher = FolderPublisher(tmp_path / "policies")
    await publisher.put({"a.json": b"1"})
    await until(source, lambda found: "a.json" in found.files)
    (tmp_path / "policies").rename(tmp_path / "away")
    await publisher.put({"b.json": b"1"})
    await until(source, lambda found: set(found.files) == {"b.json"})
    await source.stop()


async def test_links_of_a_folder_may_not_lead_out(tmp_path: Path) -> None:
    """Neither a file's nor a folder's; a mounted ConfigMap's do not and are followed, a pipe is no file."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.txt").write_text("secret")
    folder = tmp_path / "policies"
    (folder / "..2026").mkdir(parents=True)
    (folder / "..2026" / "a.json").write_text("1")
    (folder / "..data").symlink_to("..2026")
    (folder / "a.json").symlink_to("..data/a.json")
    (folder / "file.txt").symlink_to("../out/x.txt")
    (folder / "lists").symlink_to("../out")
    (folder / "gone.txt").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found = await FolderSource(folder).read()
    assert set(found.files) == {"a.json", "file.txt", "lists/x.txt"}
    assert found.read("a.json", 9) == b"1"
    for name in ("file.txt", "lists/x.txt"):
        with pytest.raises(ValueError, match="leads out of the policies folder"):
            found.read(name, 99)


async def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """Never read: 200 MB that take no room on the disk would take them in memory."""
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(200 << 20)
    found = await FolderSource(tmp_path).read()
    assert (found.files["big.json"].size, found.files["big.json"].sha256) == (200 << 20, "")
    with pytest.raises(ValueError, match="209715200 bytes are more than"):
        found.read("big.json", 8 << 20)


async def test_a_topic_refuses_what_does_not_fit(tmp_path: Path) -> None:
    """The file that is too much, by name; the others stay, and it fits once another has gone."""
    made = topic(memory_rig(), max_bytes=10)
    await made.publisher.put({"a.json": b"123456", "b.json": b"123456"})
    found = await made.source.read()
    problems = {name: file.problem is not None for name, file in found.files.items()}
    assert sorted(problems.values()) == [False, True]
    await made.publisher.put({"../x": b"1"})
    await made.publisher.put({name: b"1" for name, refused in problems.items() if refused})
    found = await until(made.source, lambda found: not any(file.problem for file in found.files.values()))
    assert set(found.files) == {"a.json", "b.json"}


async def test_a_bundle_that_has_not_changed_is_not_sent_again() -> None:
    """The server is asked with the ETag it gave; the address's query, which may be a secret, is nowhere said."""
    publisher = BundlePublisher()
    await publisher.put({"a.json": b"1"})
    async with bundle(publisher) as source:
        assert (await source.read()).revision == (await source.read()).revision
        assert publisher.sent == 1
        assert (publisher.seen[0], bool(publisher.seen[1])) == (None, True)
        assert "secret" not in source.name


@pytest.mark.parametrize(("status", "asked"), [(503, 3), (429, 3), (404, 1), (302, 1)])
async def test_a_server_that_fails_is_asked_again_and_one_that_refuses_is_not(status: int, asked: int) -> None:
    """Three times with a growing wait; the set of before is there again when it recovers."""
    publisher = BundlePublisher()
    await publisher.put({"a.json": b"1"})
    async with bundle(publisher) as source:
        publisher.status = status
        with pytest.raises(SourceUnavailable, match=f"it answered {status}"):
            await source.read()
        assert len(publisher.seen) == asked
        publisher.status = 200
        assert set((await source.read()).files) == {"a.json"}


async def test_no_server_is_said(tmp_path: Path) -> None:
    """A closed port answers nothing."""
    source = BundleSource("http://127.0.0.1:1/set.tar.gz", poll_s=1, timeout_s=5, max_bytes=1 << 20, first_wait_s=0.001)
    with pytest.raises(SourceUnavailable, match=r"http://127.0.0.1:1/set.tar.gz cannot be used: ConnectError"):
        await source.read()
    await source.stop()


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar.gz of the members as they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return out.getvalue()


def link() -> tarfile.TarInfo:
    """A link out of the bundle."""
    member = tarfile.TarInfo("a.json")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


WHOLE = packed({"a.json": b"1" * 5_000})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"not a bundle", "no tar.gz"),
        (gzip.compress(b"not a tar"), "no tar.gz"),
        (WHOLE[: len(WHOLE) // 2], "no tar.gz"),
        (archive((tarfile.TarInfo("../up.json"), b"1")), "leads out"),
        (archive((tarfile.TarInfo("/abs.json"), b"1")), "leads out"),
        (archive((link(), b"")), "links and devices"),
        (archive((tarfile.TarInfo("a.json"), b"1"), (tarfile.TarInfo("./a.json"), b"2")), "stands in it twice"),
        (gzip.compress(bytes(64 << 20)), "no files"),
        (archive((tarfile.TarInfo("bomb.json"), bytes(8 << 20))), "unpacked it has more than the 1048576 bytes"),
        (os.urandom(2 << 20), "it has more than the 1048576 bytes"),
    ],
)
async def test_a_bad_bundle_is_refused_whole(body: bytes, says: str) -> None:
    """Nothing of it is used, and a good one is taken afterwards."""
    publisher = BundlePublisher()
    await publisher.put({"a.json": b"1"})
    async with bundle(publisher) as source:
        publisher.body = body
        with pytest.raises(SourceUnavailable, match=says):
            await source.read()
        publisher.body = None
        assert set((await source.read()).files) == {"a.json"}
