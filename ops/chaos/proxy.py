"""A TCP proxy in front of the broker, in a process of its own, told by its standard input to cut, stall or heal."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from types import TracebackType

_CHUNK = 1 << 16


class Relay:
    """Passes bytes both ways while it is told to."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    def order(self, word: str) -> None:
        """`cut`: close all and refuse; `stall`: keep connections and pass nothing on; `heal`."""
        if word == "cut":
            self._refusing = True
            for writer in list(self._open):
                writer.transport.abort()
        elif word == "stall":
            self._flowing.clear()
        else:
            self._refusing = False
            self._flowing.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client for as long as both sides stay."""
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the broker is away: so is this connection
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        try:
            ways = [self._pass(reader, far_writer), self._pass(far_reader, writer)]
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._open -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()


async def _serve(listen: int, target: int) -> None:
    relay = Relay(target)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", listen)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("ready", flush=True)
    while line := await orders.readline():
        relay.order(line.decode().strip())
    server.close()


class Proxy:
    """The process, for the harness: `with Proxy(listen, target) as proxy: proxy.order("cut")`."""

    def __init__(self, listen: int, target: int) -> None:
        self._words = [sys.executable, "-m", "ops.chaos.proxy", str(listen), str(target)]
        self._process: subprocess.Popen[str] | None = None

    def order(self, word: str) -> None:
        """`cut`, `stall` or `heal`."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Proxy:
        self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the proxy in front of the broker did not start: is its port taken?")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listen", type=int)
    parser.add_argument("target", type=int)
    ports = parser.parse_args()
    asyncio.run(_serve(ports.listen, ports.target))
