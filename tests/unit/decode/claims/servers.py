"""A real HTTPS server on loopback that answers as a test scripts it, with a certificate of a test's own authority."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "media.example"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """What it was asked, and by which name."""

    port: int = 0
    connections: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)  # set at each connection
    requests: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)  # SNI
    answers: list[Answer] = field(default_factory=list)  # one a request, the last again and again


@dataclass(frozen=True)
class Authority:
    """Files of a certificate authority and of what it signed for `NAME` and for localhost."""

    ca_file: Path
    chain: Path


def authority(folder: Path) -> Authority:
    """Makes both, for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
    )
    root = (
        builder.subject_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    own = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]))
        .public_key(own.public_key())
        .serial_number(2)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME), x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    found = Authority(folder / "ca.pem", folder / "chain.pem")
    found.ca_file.write_bytes(root.public_bytes(pem))
    secret = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found.chain.write_bytes(leaf.public_bytes(pem) + secret)
    return found


@contextlib.asynccontextmanager
async def https(
    made: Authority, answers: Sequence[Answer] = (), *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Server]:
    """A server on a loopback address while the block runs."""
    server = Server(answers=list(answers))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain)

    def named(_: object, name: str | None, __: ssl.SSLContext) -> None:
        server.names.append(name)

    context.sni_callback = named

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        server.called.set()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                server.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = server.answers[min(len(server.requests), len(server.answers)) - 1]
                await answer(writer)
                if writer.is_closing():
                    break
        writer.close()

    listening = await asyncio.start_server(serve, host, port, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def content(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> Answer:
    """A whole answer; `length` is what it says of itself."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        said = len(body) if length is None else length
        head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % said, *headers]
        writer.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        await writer.drain()
        if said != len(body):
            writer.close()

    return answer


def without_length(body: bytes) -> Answer:
    """An answer that ends with its connection."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    return answer


def endless(chunk: bytes) -> Answer:
    """Chunks without end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()

    return answer


def stuck(begin: bytes) -> Answer:
    """An answer that begins and says no more."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        await writer.drain()
        await asyncio.sleep(3_600)

    return answer


def held(until: asyncio.Event, then: Answer) -> Answer:
    """An answer that waits to be let go."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await until.wait()
        await then(writer)

    return answer


def moved(location: str, status: bytes = b"302 Found") -> Answer:
    """A redirect."""
    return content(b"", b"Location: " + location.encode(), status=status)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Ends the connection without an answer."""
    writer.close()
