"""`tidegate policy test`: the policies' own cases, judged by the real models, and what they reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.cli.show import STYLES, many
from worker.core import log
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.policy.tools.cases import CaseResult, Coverage
    from worker.policy.tools.loading import PolicyFolder
    from worker.settings import Settings

Tested = dict[str, tuple[list["CaseResult"], "Coverage"]]  # by policy id
_ACTIONS = ("allow", "flag", "block")


def run_cases(
    folder: Annotated[Path, typer.Argument(help="Folder of policies.")] = Path("policies"),
    policy: Annotated[list[str] | None, typer.Option(help="Only this policy; repeat it.")] = None,
    cover: Annotated[bool, typer.Option("--cover", help="List which node and action no case reaches.")] = False,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=100, help="Exit 1 when less than this per cent is reached.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML to this file.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML settings.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """
    Judge the policies' own cases as the worker would, and say which nodes and actions they reach.

    `allow` of a node is reached by a case that names it as its `category` and
    in which it does nothing. Exit code 1 when a case fails.

    Examples:
      tidegate policy test
      tidegate policy test --policy acme --cover
      tidegate policy test drafts --junit cases.xml --fail-under 60
    """
    from worker.cli.policy.choice import write
    from worker.policy.tools.cases import junit as as_junit
    from worker.policy.tools.loading import open_folder
    from worker.settings import load

    log.configure(level="error")
    opened = open_folder(folder)
    for error in opened.folder.errors.values():
        raise error
    wanted = policy or sorted(opened.folder.sources)
    for unknown in [name for name in wanted if name not in opened.folder.sources]:
        raise ConfigError(
            f"there is no policy {unknown!r} in {folder}: it has {', '.join(sorted(opened.folder.sources))}"
        )
    tested = asyncio.run(_judge(opened, wanted, load(config)))
    found = [result for results, _ in tested.values() for result in results]
    if junit is not None:
        write(junit, as_junit(found))
    if json:
        typer.echo(orjson.dumps(_document(tested), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(Console(highlight=False), tested, cover)
    low = fail_under is not None and any(100 * reached.share < fail_under for _, reached in tested.values())
    if low or any(result.problem for result in found):
        raise typer.Exit(1)


async def _judge(opened: PolicyFolder, wanted: Sequence[str], settings: Settings) -> Tested:
    """Every case of the wanted policies, through the desk."""
    from worker.app import desk_alone
    from worker.cli.policy.choice import models_for
    from worker.policy.owntests import event_of
    from worker.policy.tools.cases import cases_of, coverage, results
    from worker.policy.tools.loading import has_points, points_of
    from worker.policy.tools.standing import Tree

    tested: Tested = {}
    models = models_for(settings)
    async with desk_alone(settings, models) as desk:
        for policy_id in wanted:
            resolved = opened.resolved(policy_id)
            compiled = opened.compiled(policy_id, models.concepts)
            tree = Tree(resolved, points_of(resolved, models.concepts) if has_points(resolved) else None)
            judged = await desk.judge([event_of(case) for case in cases_of(resolved)], compiled)
            found = list(results(resolved, tree, judged))
            tested[policy_id] = found, coverage(tree, found)
    return tested


def _document(tested: Tested) -> dict[str, object]:
    """The stable form of `--json`."""
    policies = [
        {
            "id": policy_id,
            "cases": [result.as_json() for result in found],
            "coverage": {
                "share": reached.share,
                "possible": len(reached.possible),
                "missing": [{"category": path, "action": action} for path, action in reached.missing],
            },
        }
        for policy_id, (found, reached) in tested.items()
    ]
    failed = sum(result.problem is not None for found, _ in tested.values() for result in found)
    return {"version": 1, "failed": failed, "policies": policies}


def _show(console: Console, tested: Tested, cover: bool) -> None:
    for policy_id, (found, reached) in tested.items():
        failed = [result for result in found if result.problem]
        console.print(Text(policy_id, style="bold"))
        if found:
            console.print(_table(found))
        for result in failed:
            said = f"failed: {result.name}: expects {_expected(result)} and got {result.problem}"
            console.print(Text(said, style="red"), soft_wrap=True)
        told = f"{many(len(found), 'case')}, {len(failed)} failed" if found else "no cases"
        share = f"{len(reached.possible) - len(reached.missing)} of {len(reached.possible)}"
        console.print(f"{told}; they reach {share} actions of its nodes ({reached.share:.0%})")
        if cover and reached.missing:
            console.print(_uncovered(reached))
        console.print()


def _expected(result: CaseResult) -> str:
    return result.expect + (f" in {result.expect_category}" if result.expect_category else "")


def _table(found: Sequence[CaseResult]) -> Table:
    table = Table(pad_edge=False, padding=(0, 1, 0, 0), header_style="bold underline", box=None)
    table.add_column("", width=1)
    table.add_column("case", overflow="fold", ratio=3)
    for name in ("expect", "got"):
        table.add_column(name, no_wrap=True)
    table.add_column("by (or nearest)", overflow="fold", ratio=2)
    table.add_column("margin", justify="right", no_wrap=True)
    for result in found:
        mark = Text("✗", style="red") if result.problem else Text("✓", style="green")
        got = result.got.label
        margin = "" if result.margin is None else f"{result.margin:+.2f}"
        by = Text(result.category or "") if got != "allow" else Text(f"({result.category})" if result.category else "")
        table.add_row(mark, result.name, result.expect, Text(got, style=STYLES[got]), by, margin)
    return table


def _uncovered(reached: Coverage) -> Table:
    """Nodes with an action that no case reaches: ✓ reached, ✗ not, blank where the node cannot."""
    table = Table(title="not reached", title_justify="left", pad_edge=False, header_style="bold underline", box=None)
    table.add_column("node", overflow="fold")
    for action in _ACTIONS:
        table.add_column(action, justify="center")
    possible = set(reached.possible)
    for path in dict.fromkeys(path for path, _ in reached.missing):
        marks = [_mark((path, action), possible, reached) for action in _ACTIONS]
        table.add_row(path, *marks)
    return table


def _mark(pair: tuple[str, str], possible: set[tuple[str, str]], reached: Coverage) -> Text:
    if pair not in possible:
        return Text("")
    return Text("✓", style="green") if pair in reached.reached else Text("✗", style="yellow")
