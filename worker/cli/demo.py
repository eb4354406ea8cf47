"""`tidegate demo`: the main job on the embedded default, with bundled events and a live table."""

from __future__ import annotations

import asyncio
import base64
import shutil
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.cli import show
from worker.core import log
from worker.core.records import Draft

_LONGEST_S = 60.0
_OURS = ("queue.db", "queue.db-wal", "queue.db-shm", "decisions.jsonl")  # what an earlier demo left: no more is removed


def bundled() -> list[tuple[str, dict[str, Any]]]:
    """The demo's events: a short title each, and the whole event.v1."""
    folder = files("worker.cli") / "demo_events"
    events = []
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        entry = orjson.loads(line)
        event = entry["event"]
        if entry.get("file"):
            content = base64.b64encode((folder / entry["file"]).read_bytes()).decode()
            for part in event["parts"]:
                if part["type"] != "text":
                    part["data"] = content
        events.append((entry["name"], event))
    return events


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the queue and the decisions; an earlier demo's are replaced.")
    ] = Path("demo-out"),
    policies: Annotated[Path, typer.Option(help="Folder of policies.")] = Path("policies"),
    json: Annotated[bool, typer.Option("--json", help="One decision.v1 a line instead of the table.")] = False,
    stay: Annotated[bool, typer.Option("--console", help="Then serve the console over it, until Ctrl-C.")] = False,
) -> None:
    """
    Judge bundled text, pictures and speech, through the same pipeline that `run` uses, on a SQLite file.

    Examples:
      tidegate demo
      tidegate demo --console
      tidegate demo --json | jq '{event_id, action}'
    """
    log.configure(level="warning")
    out.mkdir(parents=True, exist_ok=True)
    for name in _OURS:
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "store", ignore_errors=True)
    asyncio.run(_demo(out, policies, json, stay))


async def _demo(out: Path, policies: Path, as_json: bool, stay: bool) -> None:
    from worker.app import Worker, check_policies, load_models, make_sender, make_tail, make_transport, running
    from worker.core.clock import SystemClock
    from worker.settings import load

    began = time.monotonic()
    console = Console(stderr=as_json)
    flags = {"transport": "sqlite", "sqlite.path": out / "queue.db", "policies": policies}
    settings = load(None, flags | {"store.path": out / "store", "topics.reviews": "moderation.reviews"})
    check_policies(settings)
    console.print("[bold]Tidegate demo[/bold]: a SQLite file as the queue, the pipeline of production", highlight=False)
    with Progress(
        TextColumn("loading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("models")
        models = await asyncio.to_thread(
            load_models,
            settings.models.model_dump(),
            lambda what, done, of: progress.update(task, description=what, completed=done, total=of),
        )
    events = bundled()
    sender = make_sender(settings)
    await sender.start()
    clock = SystemClock()
    transport = make_transport(settings, clock)
    worker = Worker(settings, transport, models, clock=clock)
    topics = (settings.topics.allow, settings.topics.flag, settings.topics.block)
    tail = make_tail(settings, topics, from_beginning=True)
    async with running(worker):
        await tail.start()
        await sender.send(
            [
                Draft(settings.topics.events, f"{event['tenant']}/{event['id']}".encode(), orjson.dumps(event))
                for _, event in events
            ]
        )
        decisions = await _follow(tail, {event["id"]: name for name, event in events}, console, as_json)
        await tail.stop()
        await sender.stop()
        path = out / "decisions.jsonl"
        await asyncio.to_thread(path.write_bytes, b"".join(orjson.dumps(d) + b"\n" for d in decisions))
        _summary(console, decisions, len(events), path, time.monotonic() - began)
        if stay:
            await _stay(console, settings, worker, models, transport, clock)
    if len(decisions) < len(events):
        raise typer.Exit(1)


async def _stay(console: Console, settings: Any, worker: Any, models: Any, transport: Any, clock: Any) -> None:
    """The console over what was judged, until somebody stops it."""
    from worker.lifecycle import stop_on_signals
    from worker.services import consoled

    stopped = asyncio.Event()
    async with consoled(settings, worker, models, transport, clock) as port:
        console.print(f"the console is at http://127.0.0.1:{port}/console/    Ctrl-C ends it", highlight=False)
        with stop_on_signals(stopped.set):
            await stopped.wait()


async def _follow(tail: Any, names: dict[str, str], console: Console, as_json: bool) -> list[dict[str, Any]]:
    """Decisions as they come, drawn as a table that grows."""
    decisions: list[dict[str, Any]] = []
    table = show.table()
    deadline = time.monotonic() + _LONGEST_S
    with Live(table, console=console, refresh_per_second=8, transient=as_json):
        while len(decisions) < len(names) and time.monotonic() < deadline:
            for record in await tail.read(max_records=100, timeout_s=0.25):
                decision = orjson.loads(record.value or b"{}")
                decisions.append(decision)
                table.add_row(*show.row(decision, names.get(decision["event_id"])))
                if as_json:
                    typer.echo(record.value)
    return decisions


def _summary(console: Console, decisions: list[dict[str, Any]], sent: int, path: Path, seconds: float) -> None:
    counts = Counter(decision["action"] for decision in decisions)
    said = ", ".join(f"{counts[action]} {action}" for action in show.STYLES)
    console.print(
        f"\n{len(decisions)} of {sent} events judged in {seconds:.1f} s with loading: {said}", highlight=False
    )
    console.print(f"decisions, one JSON a line: {path}", highlight=False)
    console.print("why was one blocked? its reasons name category, threshold, place, policy and model:")
    blocked = next((d for d in decisions if d["action"] == "block"), None)
    if blocked is not None:
        console.print_json(orjson.dumps(blocked["reasons"][0]).decode())
    console.print("to look around: make demo ARGS=--console, then http://127.0.0.1:8088/console/", highlight=False)
    console.print('next: tidegate moderate "your text"    edit policies/default.json    README.md', highlight=False)
