"""`tidegate store` and `tidegate audit`: decisions kept for people and tools, and proof that nobody changed them."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from worker.cli.run import Config
from worker.cli.since import since_ms
from worker.core import log
from worker.core.decisions import Action
from worker.core.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Decisions kept on this machine, for people and tools.")
audit = typer.Typer(no_args_is_help=True, help="The proof that nobody changed what was decided.")

Folder = Annotated[Path | None, typer.Option("--store", help="The store's folder; store.path when left out.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def folder_of(store: Path | None, config: Path | None) -> Path:
    """The store that is meant. Raises ConfigError when none is named."""
    from worker.settings import load

    path = store or load(config).store.path
    if path is None:
        raise ConfigError("no decision store is named: give --store, or set store.path")
    return path


@app.command("fill")
def fill(
    config: Config = None,
    store: Folder = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when all that stands in the topics is read.")] = False,
) -> None:
    """
    Read the decision topics, appeals and reviews into a store, from where it left off.

    Any machine that reaches the topics can build one; a worker with
    store.path fills its own.

    Examples:
      tidegate store fill -c tidegate.toml --store decisions --once
    """
    from worker.services import fill_store
    from worker.settings import load

    settings = load(config, {"store.path": store})
    if settings.store.path is None:
        raise ConfigError("no decision store is named: give --store, or set store.path")
    log.configure(level="warning")
    new = asyncio.run(fill_store(settings, until_end=once))
    typer.echo(f"{new} new decisions in {settings.store.path}")


@app.command("status")
def status(config: Config = None, store: Folder = None, json: Json = False) -> None:
    """How many decisions, of whom, from when to when, and in which state."""
    from worker.store.reading import DecisionStore

    holdings = DecisionStore(folder_of(store, config)).holdings()
    if json:
        typer.echo(orjson.dumps([one.as_json() for one in holdings], option=orjson.OPT_INDENT_2).decode())
        return
    for one in holdings:
        when = f"{_time(one.from_ms)} to {_time(one.until_ms)}" if one.decisions else "none kept"
        states = ", ".join(f"{count} {state}" for state, count in one.segments.items())
        typer.echo(f"{one.tenant}: {one.decisions} decisions, {when}; segments: {states}")


@app.command("log")
def log_(
    config: Config = None,
    store: Folder = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    action: Annotated[str | None, typer.Option(help="allow, flag or block.")] = None,
    category: Annotated[str | None, typer.Option(help="With a reason in this category.")] = None,
    since: Annotated[str | None, typer.Option(help="30m, 6h, 7d, or a time such as 2026-11-23T10:00:00Z.")] = None,
) -> None:
    """
    Print decision.v1 lines, oldest first, for any tool that reads a log of decisions.

    Examples:
      tidegate store log --store decisions --tenant acme --since 7d > week.jsonl
    """
    from worker.store.reading import DecisionStore, Query

    if action not in (None, "allow", "flag", "block"):
        raise typer.BadParameter("--action takes allow, flag or block")
    actions = None if action is None else {Action.parse(action)}
    earliest = None if since is None else since_ms(since)
    query = Query(tenant=tenant, actions=actions, category=category, since_ms=earliest)
    for row in DecisionStore(folder_of(store, config)).walk(query):
        sys.stdout.buffer.write(row.value + b"\n")
    sys.stdout.buffer.flush()


@audit.command("verify")
def verify(
    config: Config = None,
    store: Folder = None,
    head: Annotated[list[str] | None, typer.Option(help="number:digest that you kept elsewhere; repeat it.")] = None,
    json: Json = False,
) -> None:
    """
    Compute every hash of a store again and name every difference.

    Exit code 1 when something was changed. Whoever may write the store can
    also compute all its hashes anew: keep `tidegate audit head` elsewhere
    and give it here.

    Examples:
      tidegate audit verify --store decisions --head 42:9f86d0818…
    """
    from worker.store.audit import verify as look

    found = look(folder_of(store, config), head or ())
    if json:
        typer.echo(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        console.print(
            f"{found.decisions} decisions in {found.segments} segments ({found.expired} expired), "
            f"{found.entries} entries in the chain",
            soft_wrap=True,
        )
        for fault in found.faults:
            console.print(fault, style="red", soft_wrap=True, markup=False)
        console.print("nothing was changed" if not found.faults else f"{len(found.faults)} differences")
        if found.head is not None:
            console.print(f"head {found.head}", soft_wrap=True)
    if found.faults:
        raise typer.Exit(1)


@audit.command("head")
def head(
    config: Config = None,
    store: Folder = None,
    seal: Annotated[bool, typer.Option("--seal", help="First seal what is open; nothing may fill it now.")] = False,
) -> None:
    """Print number:digest of the chain's end: keep it where nobody who writes the store can write."""
    from worker.core.clock import SystemClock
    from worker.settings import load
    from worker.store.audit import head as end
    from worker.store.writing import StoreWriter

    path = folder_of(store, config)
    log.configure(level="warning")
    if seal:
        writer = StoreWriter(path, load(config).store, SystemClock())
        writer.seal()
        writer.close()
    found = end(path)
    if found is None:
        raise ConfigError(f"nothing in {path} is sealed yet: --seal does it now")
    typer.echo(found)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
