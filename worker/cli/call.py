"""`tidegate call`: a recording, a microphone or raw samples through the pipeline, with a live line for each speaker."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.cli import show
from worker.cli.recording import MIC_RATE, Pace, Piece, event_of, pieces
from worker.core import log
from worker.core.clock import SystemClock
from worker.core.records import Draft, Record

_BAR = " ▁▂▃▄▅▆▇█"
_TOP = 3
_SAID = 90  # characters
_ENOUGH = 64  # chunks under way when a call is played as fast as it goes


def call(
    source: Annotated[str, typer.Argument(help="A recording, `mic`, or - for raw 16-bit samples on standard input.")],
    tenant: Annotated[str, typer.Option(help="Whose policy judges the call.")] = "demo",
    policies: Annotated[Path | None, typer.Option(help="Folder of policies.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML settings.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as it goes, not at the pace of the recording.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One decision.v1 a line, one for each chunk.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page of the call.")] = None,
    chunk_ms: Annotated[int, typer.Option(min=20, max=15_000, help="Length of a chunk.")] = 200,
    rate: Annotated[int, typer.Option(min=4_000, max=384_000, help="Of raw samples.")] = MIC_RATE,
    channels: Annotated[int, typer.Option(min=1, max=8, help="Of raw samples; each is a speaker.")] = 1,
) -> None:
    """
    Moderate a call: what is said, how it scores and where the call stands, while it is played. Stereo is two speakers.

    Examples:
      tidegate call meeting.wav --report meeting.html
      tidegate call recording.flac --fast --json > decisions.jsonl
      arecord -f S16_LE -r 16000 -c 1 | tidegate call -
    """
    from worker.cli.call_log import CallLog
    from worker.cli.call_page import page
    from worker.settings import load

    found = pieces(source, chunk_ms / 1000, rate=rate, channels=channels)
    settings = load(config, {"policies": policies})
    log.configure(level="warning")
    book = CallLog()
    try:
        asyncio.run(_play(settings, found, book, tenant, paced=not fast and source not in ("mic", "-"), as_json=json))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
    if report is not None:
        report.write_text(page(book, Path(source).name), encoding="utf-8")
        typer.echo(f"report: {report}", err=True)


async def _play(settings: Any, found: Iterator[Piece], book: Any, tenant: str, *, paced: bool, as_json: bool) -> None:
    from worker.app import Worker, check_policies, load_models, running
    from worker.transport.memory import MemoryLog, MemoryTransport

    check_policies(settings)
    first = await asyncio.to_thread(next, found, None)  # a source that cannot be read is said before models are loaded
    console = Console(stderr=True)
    with console.status("loading models"):
        models = await asyncio.to_thread(load_models, settings.models.model_dump())
    queue, topics = MemoryLog(), settings.topics
    worker = Worker(settings, MemoryTransport(queue, topics), models)
    worker.listen_in(book.heard)
    nexts = dict.fromkeys(queue.of([topics.allow, topics.flag, topics.block, topics.dead_letter]), 0)
    name, sent, wake = f"call-{int(time.time())}", 0, asyncio.Event()

    def show_decisions() -> None:
        wake.clear()
        for value, decision in in_turn(queue.read(nexts, 10_000)):
            book.decided(decision)
            if as_json:
                sys.stdout.buffer.write(value + b"\n")
                sys.stdout.buffer.flush()

    async with running(worker):
        with Live(console=console, refresh_per_second=8, transient=False, get_renderable=lambda: lines(book)) as live:
            pace = Pace(SystemClock())
            piece = first
            while piece is not None:
                if paced and (wait_s := pace.wait_s(piece)):
                    await asyncio.sleep(wait_s)
                book.sent(piece)
                queue.append([Draft(topics.events, name.encode(), event_of(piece, tenant, name))])
                sent += 1
                show_decisions()
                while sent - book.decisions >= _ENOUGH:
                    await queue.wait(wake, 0.05)
                    show_decisions()
                piece = await asyncio.to_thread(next, found, None)
            while book.decisions < sent:
                await queue.wait(wake, 0.1)
                show_decisions()
            live.refresh()
        if not console.is_terminal:  # the lines are written once there, and without an end
            console.line()


def in_turn(records: Sequence[Record]) -> list[tuple[bytes, dict[str, Any]]]:
    """Decisions in the order of their chunks, as written and as read: a queue gives them topic by topic."""
    found = [(value, orjson.loads(value)) for record in records if (value := record.value)]
    return sorted(found, key=lambda one: (one[1].get("source") or {}).get("offset", -1))


def lines(book: Any) -> Table:
    """A line for each speaker: level, state, the highest categories, and the end of what was said."""
    table = Table(box=None, pad_edge=False, header_style="bold underline", title_justify="left")
    for title in (f"{book.seconds:5.1f} s", "level", "state", "highest", "said"):
        table.add_column(title, no_wrap=title != "said")
    for name, one in book.speakers.items():
        scores = one.windows[-1].scores if one.windows else {}
        top = sorted(scores.items(), key=lambda pair: -pair[1])[:_TOP]
        bars = Text()
        for category, score in top:
            style = show.STYLES[one.windows[-1].passed.get(category, "allow")]
            bars.append(f"{_bar(score)} {score:.2f} {category}\n", style=style)
        level = "".join(_bar(min(peak * 2, 1.0)) for peak in one.levels[-12:])
        said = " ".join(word.text for word in one.words)[-_SAID:]
        table.add_row(name, level, Text(one.state, style=show.STYLES[one.state]), bars, said)
    return table


def _bar(share: float) -> str:
    return _BAR[min(int(share * len(_BAR)), len(_BAR) - 1)]
