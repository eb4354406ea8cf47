"""Fetching a `ref` from a real HTTPS server that lies, stalls, redirects and moves."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.decode.claims.servers import (
    NAME,
    Answer,
    Authority,
    Server,
    authority,
    content,
    endless,
    hang_up,
    https,
    moved,
    stuck,
    without_length,
)
from worker.core.errors import ConfigError, PartUnreadable
from worker.core.events import Claim
from worker.decode.claims import ClaimFetcher, ClaimSettings

BODY = b"a picture, say" * 1_000
LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for the module."""
    return authority(tmp_path_factory.mktemp("authority"))


class Rig:
    """A server, a fetcher that trusts it and finds it by name, and what the fetcher reported."""

    def __init__(self, server: Server, made: Authority, look_up: Sequence[Sequence[str]] = (), **more: Any) -> None:
        self.server, self.results, self._answers, self.looked_up = server, list[str](), list(look_up), list[str]()
        settings = {"hosts": [f"{NAME}:{server.port}"], "networks": ["127.0.0.1/32"], "ca_file": made.ca_file} | more
        self.fetcher = ClaimFetcher(
            ClaimSettings.model_validate(settings), self.results.append, look_up=self._look_up, first_wait_s=0.001
        )

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else (self._answers or [[LOOPBACK]])[0]

    async def fetch(self, url: str | None = None, body: bytes = BODY, **other: Any) -> bytes:
        claim = Claim(0, url or self.url, hashlib.sha256(body).hexdigest(), len(body))._replace(**other)
        return await self.fetcher.fetch(claim, "acme")

    async def refused(self, url: str | None = None, **other: Any) -> PartUnreadable:
        with pytest.raises(PartUnreadable) as caught:
            await self.fetch(url, **other)
        assert NAME not in caught.value.reason, "a reason tells the address"
        return caught.value

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.server.port}/a/b.png?X-Sig=secret"


@asynccontextmanager
async def rig(made: Authority, *answers: Answer, **more: Any) -> AsyncIterator[Rig]:
    async with https(made, answers) as server:
        found = Rig(server, made, **more)
        try:
            yield found
        finally:
            await found.fetcher.close()


async def test_content_is_fetched_by_its_name_from_the_address_that_was_checked(made: Authority) -> None:
    """SNI and Host carry the name, the certificate is verified for it, and no credential or cookie goes with it."""
    async with rig(made, content(BODY)) as found:
        assert await found.fetch() == BODY
        assert found.server.names == [NAME]
        (request,) = found.server.requests
        assert request.startswith(b"GET /a/b.png?X-Sig=secret HTTP/1.1\r\n")
        assert f"host: {NAME}:{found.server.port}\r\n".encode() in request.lower()
        assert not any(word in request.lower() for word in (b"cookie", b"authorization", b"referer"))
        assert found.results == ["fetched"]


async def test_a_name_is_looked_up_once_for_a_connection_and_a_second_answer_is_never_used(made: Authority) -> None:
    """DNS that changes between check and connect: the check's answer is what is connected to."""
    async with (
        https(made, [content(BODY)]) as outside,
        https(made, [content(b"inside")], host="127.0.0.2", port=outside.port) as inside,
    ):
        found = Rig(outside, made, look_up=[[LOOPBACK], ["127.0.0.2"]])
        assert await found.fetch() == BODY
        assert (outside.connections, inside.connections, len(found.looked_up)) == (1, 0, 1)
        await found.fetcher.close()


async def test_a_name_that_turns_inwards_between_attempts_is_refused(made: Authority) -> None:
    """A second attempt is a second check."""
    async with (
        https(made, [hang_up]) as outside,
        https(made, [content(b"inside")], host="127.0.0.2", port=outside.port) as inside,
    ):
        found = Rig(outside, made, look_up=[[LOOPBACK], ["127.0.0.2"]])
        assert (await found.refused()).code == "ref_not_allowed"
        assert (outside.connections, inside.connections) == (1, 0)
        await found.fetcher.close()


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.2"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.2"], ["fe80::1"],
     [LOOPBACK, "10.0.0.1"]],
    ids=lambda found: " and ".join(found),
)  # fmt: skip
async def test_a_name_with_an_address_that_is_not_public_is_refused(made: Authority, addresses: list[str]) -> None:
    """Also where only one of several is not."""
    async with rig(made, content(BODY), look_up=[addresses]) as found:
        assert (await found.refused()).code == "ref_not_allowed"
        assert found.server.connections == 0


async def test_a_certificate_for_another_name_is_no_answer(made: Authority) -> None:
    """Whoever has the address does not have the name."""
    async with https(made, [content(BODY)]) as server:
        found = Rig(server, made, hosts=[f"other.example:{server.port}"])
        assert (await found.refused(f"https://other.example:{server.port}/")).code == "ref_unavailable"
        assert server.requests == []
        await found.fetcher.close()


async def test_an_authority_that_is_not_trusted_is_no_answer(made: Authority) -> None:
    """The public ones do not know the test's own."""
    async with rig(made, content(BODY), ca_file=None) as found:
        assert (await found.refused()).code == "ref_unavailable"
        assert found.server.requests == []


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
async def test_a_redirect_within_the_rules_is_followed(made: Authority, status: bytes) -> None:
    """To another path of the same host."""
    async with rig(made, moved("/elsewhere", status), content(BODY)) as found:
        assert await found.fetch() == BODY
        assert found.server.requests[1].startswith(b"GET /elsewhere ")


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://localhost/", "file:///etc/passwd",
     "http://media.example/", "gopher://127.0.0.1/", "https://u:p@media.example/", ""],
)  # fmt: skip
async def test_a_redirect_out_of_the_rules_is_refused(made: Authority, location: str) -> None:
    """To another scheme, to an address inside, to a host that is not allowed, to nowhere."""
    async with rig(made, moved(location)) as found:
        assert (await found.refused()).code == "ref_not_allowed"


async def test_a_redirect_to_a_name_that_leads_inwards_is_refused(made: Authority) -> None:
    """The host is allowed, its address is not: each step is looked up and checked by itself."""
    async with https(made) as server:
        server.answers.append(moved(f"https://b.inner.example:{server.port}/"))
        hosts = [f"{NAME}:{server.port}", f"*.inner.example:{server.port}"]
        found = Rig(server, made, look_up=[[LOOPBACK], ["10.0.0.1"]], hosts=hosts)
        assert (await found.refused()).code == "ref_not_allowed"
        assert found.looked_up == [NAME, "b.inner.example"]
        await found.fetcher.close()


async def test_redirects_without_end_are_refused(made: Authority) -> None:
    """After claims.redirects of them."""
    async with rig(made, moved("/again")) as found:
        assert (await found.refused()).code == "ref_not_allowed"
        assert len(found.server.requests) == 4


LIES: list[tuple[str, Answer]] = [
    ("a length that is not the claim's", content(BODY + b"x")),
    ("a body longer than the claim, of no length", without_length(BODY * 100)),
    ("a body shorter than the claim, of no length", without_length(BODY[:-1])),
    ("chunks without end", endless(BODY)),
    ("another content of the same length", content(BODY[::-1])),
    ("a packed body", content(BODY, b"Content-Encoding: gzip")),
]


@pytest.mark.parametrize("answer", [answer for _, answer in LIES], ids=[what for what, _ in LIES])
async def test_what_is_not_what_the_event_says_is_refused(made: Authority, answer: Answer) -> None:
    """Length and digest are the claim's, whatever the server says, and it is not asked again."""
    async with rig(made, answer) as found:
        assert (await found.refused()).code == "ref_mismatch"
        assert len(found.server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [stuck(b""), stuck(b"HTTP/1.1 200 OK\r\nContent-"), stuck(b"HTTP/1.1 200 OK\r\nContent-Length: 14000\r\n\r\na")],
    ids=["no answer", "half of a header", "a byte of the body"],
)
async def test_a_server_that_stalls_is_left(made: Authority, answer: Answer) -> None:
    """The time counts over all attempts and the body."""
    async with rig(made, answer, timeout_s=0.3) as found:
        assert (await found.refused()).code == "ref_unavailable"


async def test_a_header_without_end_is_left(made: Authority) -> None:
    """The parser's own bound, long before memory."""

    async def answer(writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(10_000):
            writer.write(b"X-Filler: " + b"a" * 1_000 + b"\r\n")
            await writer.drain()

    async with rig(made, answer) as found:
        assert (await found.refused()).code == "ref_unavailable"


@pytest.mark.parametrize(
    "first",
    [
        hang_up,
        content(b"", status=b"503 Busy"),
        content(b"", status=b"429 Slow Down"),
        content(BODY[:9], length=len(BODY)),
    ],
    ids=["hung up", "503", "429", "broken off"],
)
async def test_what_may_pass_is_tried_again(made: Authority, first: Answer) -> None:
    """And the second answer counts."""
    async with rig(made, first, content(BODY)) as found:
        assert await found.fetch() == BODY
        assert len(found.server.requests) == 2


async def test_what_does_not_pass_is_given_up(made: Authority) -> None:
    """After claims.attempts; what will not change is asked once."""
    async with rig(made, content(b"", status=b"500 No")) as found:
        assert (await found.refused()).code == "ref_unavailable"
        assert len(found.server.requests) == 3
    async with rig(made, content(b"", status=b"403 Expired")) as found:
        assert (await found.refused()).code == "ref_unavailable"
        assert len(found.server.requests) == 1
        assert found.results == ["ref_unavailable"]


async def test_a_name_that_nobody_knows_is_said(made: Authority) -> None:
    """By the real resolver, of a name that can never be."""
    settings = ClaimSettings.model_validate({"hosts": ["nowhere.invalid"], "attempts": 1})
    fetcher = ClaimFetcher(settings)
    with pytest.raises(PartUnreadable) as caught:
        await fetcher.fetch(Claim(0, "https://nowhere.invalid/", "ab" * 32, 1), "acme")
    assert caught.value.code == "ref_unavailable"
    await fetcher.close()


async def test_one_tenants_slow_server_leaves_room_for_another(made: Authority) -> None:
    """With all of its fetches stuck, the other's goes through."""
    async with https(made, [stuck(b"")]) as slow, https(made, [content(BODY)]) as quick:
        hosts = [f"{NAME}:{slow.port}", f"{NAME}:{quick.port}"]
        found = Rig(slow, made, hosts=hosts, at_once=3, at_once_tenant=2)
        waiting = [asyncio.create_task(found.fetch()) for _ in range(6)]
        async with asyncio.timeout(20):
            while slow.connections < 2:
                slow.called.clear()
                await slow.called.wait()
        claim = Claim(0, f"https://{NAME}:{quick.port}/", hashlib.sha256(BODY).hexdigest(), len(BODY))
        assert await found.fetcher.fetch(claim, "other") == BODY
        assert slow.connections == 2
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await found.fetcher.close()


def test_a_bad_authority_file_refuses_to_start(tmp_path: Path) -> None:
    """Named, with its setting."""
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"claims\.ca_file"):
        ClaimFetcher(ClaimSettings.model_validate({"hosts": ["a.example"], "ca_file": tmp_path / "ca.pem"}))


class Folder:
    """A root with a file, and what lies beside it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "media"
        (self.root / "inner").mkdir(parents=True)
        (self.root / "inner" / "a.png").write_bytes(BODY)
        (base / "secret").write_bytes(BODY)

    async def fetch(self, path: str) -> bytes:
        fetcher = ClaimFetcher(ClaimSettings.model_validate({"roots": [self.root]}))
        return await fetcher.fetch(Claim(0, f"file://{path}", hashlib.sha256(BODY).hexdigest(), len(BODY)), "acme")

    async def code(self, path: str) -> str:
        with pytest.raises(PartUnreadable) as caught:
            await self.fetch(path)
        assert path not in caught.value.reason
        return caught.value.code


async def test_a_file_under_a_root_is_read_and_none_elsewhere(tmp_path: Path) -> None:
    """By `..`, by links to a file or through a folder, by what is no file, by a wrong length."""
    folder = Folder(tmp_path)
    root = folder.root
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "own").symlink_to(root / "inner" / "a.png")
    (root / "short").write_bytes(BODY[:-1])
    (root / "endless").write_bytes(BODY * 2)
    os.mkfifo(root / "pipe")
    assert await folder.fetch(f"{root}/inner/a.png") == BODY
    assert await folder.code(f"{root}/../secret") == "ref_not_allowed"
    assert await folder.code(f"{root}/inner/%2e%2e/%2e%2e/secret") == "ref_not_allowed"
    for name in ("link", "up/secret", "own", "inner", "pipe", "missing"):
        assert await folder.code(f"{root}/{name}") == "ref_unavailable", name
    for name in ("short", "endless"):
        assert await folder.code(f"{root}/{name}") == "ref_mismatch"


async def test_without_a_digest_a_size_alone_is_held_to_and_no_file_is_read(made: Authority, tmp_path: Path) -> None:
    """Of a picture in a moderation request nobody says more: at most so many bytes of it are read."""
    async with rig(made, content(BODY), content(BODY), without_length(BODY), endless(BODY)) as found:
        assert await found.fetch(sha256=None, bytes=len(BODY) + 5) == BODY
        for size in (len(BODY) - 1, 0, len(BODY) * 3):
            assert (await found.refused(sha256=None, bytes=size)).code == "image_too_large"
    (tmp_path / "a.png").write_bytes(BODY)
    fetcher = ClaimFetcher(ClaimSettings.model_validate({"roots": [tmp_path]}))
    with pytest.raises(PartUnreadable, match="who knows their digest"):
        await fetcher.fetch(Claim(0, f"file://{tmp_path}/a.png", None, 1 << 20), "acme")
