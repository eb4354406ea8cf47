"""`tidegate deadletter list|show|redrive`: what was parked, why, and back to the input topic when it is mended."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from worker.cli.run import Config
from worker.cli.since import since_ms
from worker.core import log
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError
from worker.deliver.letters import Letter, as_text, own_headers, parse_position

app = typer.Typer(no_args_is_help=True, help="What was parked, why, and back to the input topic when it is mended.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Code = Annotated[list[str] | None, typer.Option("--code", help="Only letters of this code; may be given again.")]
Since = Annotated[
    str | None, typer.Option(help="Only letters since: 30m, 6h, 7d, or a time such as 2026-11-23T10:00:00Z.")
]
Tenant = Annotated[str | None, typer.Option(help="Only letters of this tenant, where it is known.")]


@app.command("list")
def list_(config: Config = None, json: Json = False, code: Code = None, since: Since = None) -> None:
    """
    Letters that wait, counted by code.

    Examples:
      tidegate deadletter list -c tidegate.toml
      tidegate deadletter list --since 6h --json
    """
    from worker.redrive import read_box
    from worker.settings import load

    settings = load(config)
    log.configure(level="warning")
    box = asyncio.run(read_box(settings, content=False))
    rows = _by_code(_chosen(box.letters, (), code, since, None))
    if json:
        found = {"topic": settings.topics.dead_letter, "waiting": rows, "redriven": box.redriven}
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(title=settings.topics.dead_letter, title_justify="left", box=None, header_style="bold underline")
    for name in ("code", "count", "first", "last", "tenants", "an example"):
        table.add_column(name, justify="right" if name == "count" else "left", overflow="fold")
    for row in rows:
        shown = ", ".join(row["tenants"][:3]) + (", …" if len(row["tenants"]) > 3 else "")
        table.add_row(row["code"], str(row["count"]), row["first"][:19], row["last"][:19], shown, row["example"])
    console = Console()
    console.print(table if rows else f"no letters wait in {settings.topics.dead_letter}")
    if box.redriven:
        console.print(f"{box.redriven} were sent back before", style="dim")


def _by_code(letters: Sequence[Letter]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for letter in letters:
        when = _when(letter)
        empty = {"code": letter.code, "count": 0, "first": when, "last": when, "tenants": set()}
        row = rows.setdefault(letter.code, {**empty, "example": as_text(letter.source)})
        row["count"] += 1
        row["first"], row["last"] = min(row["first"], when), max(row["last"], when)
        if letter.tenant is not None:
            row["tenants"].add(letter.tenant)
    ordered = sorted(rows.values(), key=lambda row: -row["count"])
    return [{**row, "tenants": sorted(row["tenants"])} for row in ordered]


@app.command("show")
def show(
    position: Annotated[str, typer.Argument(help="topic:partition:offset of the input, or partition:offset.")],
    config: Config = None,
    json: Json = False,
    content: Annotated[bool, typer.Option("--content", help="Also what the record holds: somebody wrote it.")] = False,
) -> None:
    """
    One letter: where it came from, what happened, its size and digest; its content only when asked for.

    Examples:
      tidegate deadletter show 3:91822
      tidegate deadletter show moderation.events:3:91822 --content
    """
    from worker.redrive import fetch_original, read_box
    from worker.settings import load

    settings = load(config)
    log.configure(level="warning")
    wanted = parse_position(position, settings.topics.events)
    if wanted is None:
        raise ConfigError(f"{position} is no position: give topic:partition:offset or partition:offset")
    letters = asyncio.run(read_box(settings, content=True)).letters
    letter = next((one for one in letters if wanted in (one.source, one.first)), None)
    if letter is None:
        typer.secho(f"no letter of {as_text(wanted)} waits in {settings.topics.dead_letter}", err=True)
        raise typer.Exit(1)
    fields = _fields(letter)
    if content:
        original = asyncio.run(fetch_original(settings, letter)) if letter.pointer is not None else letter.record
        fields["content"] = None if original is None else _readable(original.value)
    if json:
        typer.echo(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, value if isinstance(value, str) else orjson.dumps(value).decode())
    Console().print(table, markup=False)


def _fields(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return {
        "source": as_text(letter.source),
        "first_read_at": as_text(letter.first),
        "stands_at": as_text(letter.at),
        "time": _when(letter),
        "code": letter.code,
        "reason": letter.reason,
        "stage": letter.stage,
        "attempts": letter.attempts,
        "failures": list(letter.failures),
        "redrives": letter.redrives,
        "tenant": letter.tenant,
        "worker_version": letter.version,
        "bytes": letter.size,
        "pointer_sha256": letter.pointer[1] if letter.pointer is not None else None,
        "key_bytes": None if record.key is None else len(record.key),
        "own_headers": {name: len(value) for name, value in own_headers(record.headers)},
    }


def _readable(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


@app.command("redrive")
def redrive(
    positions: Annotated[
        list[str] | None, typer.Argument(help="Positions; none of them: what the options say.")
    ] = None,
    config: Config = None,
    code: Code = None,
    since: Since = None,
    tenant: Tenant = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters that wait.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, help="Records a second.")] = 100.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    json: Json = False,
) -> None:
    """
    Send letters back to the input topic, in order, at a rate. What was sent back is not sent again.

    Examples:
      tidegate deadletter redrive --code unknown_tenant --dry-run
      tidegate deadletter redrive --code breaks_pipeline --since 2d --rate 50
      tidegate deadletter redrive 3:91822
    """
    from worker.redrive import read_box, send_letters
    from worker.settings import load

    settings = load(config)
    log.configure(level="warning")
    if not (positions or code or since or tenant or everything):
        raise ConfigError("nothing is chosen: give positions, --code, --since or --tenant, or --all")
    wanted = [parse_position(text, settings.topics.events) for text in positions or ()]
    if None in wanted:
        raise ConfigError("a position is topic:partition:offset or partition:offset: one of those given is neither")
    letters = _chosen(asyncio.run(read_box(settings, content=not dry_run)).letters, wanted, code, since, tenant)
    missing = [as_text(one) for one in wanted if one and not any(one in (x.source, x.first) for x in letters)]
    sent, lost = 0, list[str]()
    if letters and not dry_run:
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("sending back", total=len(letters))
            going = send_letters(settings, letters, rate, SystemClock(), lambda n: progress.advance(bar, n))
            done = asyncio.run(going)
        sent, lost = done.sent, [as_text(letter.source) for letter in done.lost]
    result = {"chosen": len(letters), "sent": sent, "lost": lost, "not_waiting": missing, "dry_run": dry_run}
    if json:
        typer.echo(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    else:
        would = "would send back" if dry_run else "sent back"
        typer.echo(f"{would} {len(letters) if dry_run else sent} of {len(letters)} letters to {settings.topics.events}")
        for place in lost:
            typer.secho(f"{place}: the bytes it points at are gone from the input topic", err=True)
        for place in missing:
            typer.secho(f"{place}: no letter of it waits", err=True)
    if lost or missing:
        raise typer.Exit(1)


def _chosen(
    letters: Sequence[Letter], positions: Sequence[Any], code: list[str] | None, since: str | None, tenant: str | None
) -> list[Letter]:
    earliest = since_ms(since) if since is not None else 0
    return [
        letter
        for letter in letters
        if (not positions or letter.source in positions or letter.first in positions)
        and (not code or letter.code in code)
        and (tenant is None or letter.tenant == tenant)
        and letter.timestamp_ms >= earliest
    ]


def _when(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
