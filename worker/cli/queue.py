"""`tidegate send` and `tidegate watch`: events into the input topic, decisions as they come."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import track

from worker.cli import show
from worker.cli.moderate import event_of_file
from worker.cli.recording import Pace, Piece, event_of, pieces
from worker.cli.run import Config
from worker.core import log
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError
from worker.core.records import Draft


def _events(source: str, tenant: str) -> Iterator[bytes]:
    """Event lines of a .jsonl file or standard input; other files, or a folder of them, one event each."""
    if source == "-":
        yield from (line for line in sys.stdin.buffer if line.strip())
        return
    path = Path(source)
    if path.is_dir():
        for inside in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
            yield from _events(str(inside), tenant)
    elif path.suffix == ".jsonl":
        with path.open("rb") as lines:
            yield from (line for line in lines if line.strip())
    elif path.exists():
        yield orjson.dumps(event_of_file(path, tenant))
    else:
        raise ConfigError(f"{path}: no such file or folder: give a file, a folder or -")


async def _in_time(found: Iterator[Piece], live: bool) -> AsyncIterator[Piece]:
    """A recording's chunks, with `live` each when it has been spoken."""
    pace = Pace(SystemClock())
    while (piece := await asyncio.to_thread(next, found, None)) is not None:
        if live and (wait_s := pace.wait_s(piece)):
            await asyncio.sleep(wait_s)
        yield piece


def send(
    source: Annotated[str, typer.Argument(help="A file, a folder, a .jsonl of events, or - for standard input.")],
    tenant: Annotated[str, typer.Option(help="Tenant of files that are no events.")] = "demo",
    call: Annotated[str | None, typer.Option(help="Send a recording as the chunks of the call with this id.")] = None,
    chunk_ms: Annotated[int, typer.Option(min=20, max=15_000, help="Length of a call's chunks.")] = 1_000,
    live: Annotated[bool, typer.Option("--live", help="A call's chunks at the pace of the recording.")] = False,
    config: Config = None,
) -> None:
    """
    Put files into the input topic as events; with --call, a recording as the chunks of a call.

    Examples:
      tidegate send picture.png --tenant kids-game
      tidegate send recording.wav --call call-17 --live
      arecord -f S16_LE -r 16000 -c 1 | tidegate send - --call call-17
      cat events.jsonl | tidegate send - -c tidegate.toml
    """
    from worker.app import make_sender
    from worker.cli.keys import key_of
    from worker.settings import load

    settings = load(config)
    log.configure(level="warning")

    async def go() -> int:
        sender = make_sender(settings)
        await sender.start()
        sent = 0
        batch: list[Draft] = []
        try:
            if call is not None:
                async for piece in _in_time(pieces(source, chunk_ms / 1000), live and source not in ("mic", "-")):
                    value = event_of(piece, tenant, call)
                    sent += len(await sender.send([Draft(settings.topics.events, key_of(value), value, ())]))
                return sent
            for value in track(list(_events(source, tenant)), description="sending", console=Console(stderr=True)):
                batch.append(Draft(settings.topics.events, key_of(value), value.rstrip(b"\r\n"), ()))
                if len(batch) == 500:
                    sent += len(await sender.send(batch))
                    batch = []
            sent += len(await sender.send(batch)) if batch else 0
        finally:
            await sender.stop()
        return sent

    count = asyncio.run(go())
    typer.echo(f"sent {count} events to {settings.topics.events}")


def watch(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="One decision.v1 a line.")] = False,
    from_beginning: Annotated[bool, typer.Option(help="Also what is there already.")] = False,
    limit: Annotated[int | None, typer.Option(help="Stop after so many decisions.")] = None,
) -> None:
    """
    Show decisions as they come, until Ctrl-C.

    Examples:
      tidegate watch -c tidegate.toml
      tidegate watch --json --from-beginning | jq .action
    """
    from worker.app import make_tail
    from worker.settings import load

    settings = load(config)
    log.configure(level="warning")
    topics = (settings.topics.allow, settings.topics.flag, settings.topics.block)
    console = Console()

    async def go() -> None:
        tail = make_tail(settings, topics, from_beginning=from_beginning)
        await tail.start()
        seen = 0
        try:
            while limit is None or seen < limit:
                for record in await tail.read(max_records=500, timeout_s=0.5):
                    if limit is not None and seen >= limit:
                        break
                    seen += 1
                    if json:
                        sys.stdout.buffer.write((record.value or b"") + b"\n")
                        sys.stdout.buffer.flush()
                        continue
                    console.print(show.line(orjson.loads(record.value or b"{}")), soft_wrap=True)
        finally:
            await tail.stop()

    try:
        asyncio.run(go())
    except KeyboardInterrupt:
        raise typer.Exit from None
