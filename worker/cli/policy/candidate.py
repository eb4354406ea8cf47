"""`tidegate policy candidate`: what a candidate said beside the live policy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from worker.cli.policy.changes import pair, plain_table
from worker.cli.show import many

if TYPE_CHECKING:
    from worker.policy.tools.candidates import Summary
    from worker.policy.tools.decisions_log import Block, Log

_LOG = typer.Option(
    "--log", help="decision.v1 lines, plain, .gz or .zst, or a decision store; - is standard input; repeat it."
)
_MOST_NODES = 20


def candidate(
    log: Annotated[list[str], _LOG],
    policies: Annotated[Path, typer.Option(help="Folder whose tenants.json says which candidates there are.")] = Path(
        "policies"
    ),
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's decisions.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """
    Sum up candidates: how often they agree with the live policy, who alone acts, by node, and when they end.

    A candidate is set in tenants.json, for a stable share of events and until
    a day:

      {"acme": {"policy": "acme",
                "candidate": {"policy": "acme-next", "share": 0.1,
                              "until": "2026-12-24T00:00:00Z"}}}

    Exit code 1 when the log holds no candidate's outcome.

    Examples:
      tidegate policy candidate --log decisions.jsonl
      tidegate policy candidate --log decisions.jsonl.gz --tenant acme --json
    """
    from worker.cli.policy.choice import logs
    from worker.policy.tools.candidates import expiry, summarise
    from worker.policy.tools.loading import open_folder

    now = time.time()
    specs = open_folder(policies).folder.candidates if policies.is_dir() else {}
    found = summarise(_watched(logs(log)), tenant)
    ends = {name: expiry(spec, now) for name, spec in specs.items() if tenant in (None, name)}
    if json:
        asked = {
            name: spec.model_dump(mode="json") | {"ends": ends[name]} for name, spec in specs.items() if name in ends
        }
        document = {"candidates": asked, "summaries": [one.as_json() for one in found]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        for one in found:
            _show(console, one)
        for name, words in sorted(ends.items()):
            spec = specs[name]
            console.print(f"tenant {name}: candidate {spec.policy} on {spec.share:.0%} of its events, {words}")
    if not found:
        whose = f" of tenant {tenant!r}" if tenant else ""
        typer.secho(f"no decision{whose} in the log has a candidate's outcome", fg="yellow", err=True)
        raise typer.Exit(1)


def _watched(log: list[Log]) -> Iterator[Block]:
    from worker.policy.tools.decisions_log import blocks, total_bytes

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=total_bytes(log))
        for block, read in blocks(log):
            yield block
            progress.update(task, completed=read)


def _show(console: Console, one: Summary) -> None:
    from worker.core.shares import Share
    from worker.policy.tools.candidates import SIDES

    console.print(
        f"candidate {one.policy} {one.version}: {many(one.decisions, 'decision')} of {many(len(one.days), 'day')}"
    )
    table = plain_table(("", "left"), ("decisions", "right"), ("share, 95 % interval", "left"))
    rows = [("agree", one.agree), ("candidate stricter", one.compared(stricter=True))]
    rows += [("candidate looser", one.compared(stricter=False))]
    rows += [(f"{'act: ' if side == 'both' else 'acts: '}{side}", one.only(side)) for side in SIDES]
    for name, share in rows:
        table.add_row(name, f"{share.count:,}", str(share))
    console.print(table)
    differing = [(key, n) for key, n in one.actions.most_common() if key[0] != key[1]]
    if differing:
        changes = plain_table(
            ("live → candidate", "left"), ("decisions", "right"), ("share", "left"), ("for example", "left")
        )
        for (live, own), count in differing:
            share = Share(count, one.decisions)
            changes.add_row(pair(live, own), f"{count:,}", str(share), ", ".join(one.examples[live, own][:2]))
        console.print(changes)
    if one.nodes:
        console.print(_nodes(one))
    if one.failed:
        console.print(f"{one.failed:,} more have no outcome: the candidate broke, see the worker's log", style="yellow")


def _nodes(one: Summary) -> Table:
    from worker.policy.tools.candidates import SIDES

    table = plain_table(("node", "left"), *((side, "right") for side in SIDES), ("only candidate, for example", "left"))
    for category in one.categories()[:_MOST_NODES]:
        counts = [f"{one.nodes[category, side]:,}" for side in SIDES]
        table.add_row(category, *counts, ", ".join(one.examples[category, "only candidate"][:1]))
    return table
