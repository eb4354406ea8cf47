"""`tidegate policy diff`: what differs between two policies, and what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from worker.policy.tools.diff import Difference

_STYLES = {"added": "green", "removed": "red", "changed": "yellow"}
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_WORDS = 60  # longest value shown in the tree


def diff(
    before: Annotated[str, typer.Argument(help="A policy's id in the folder, or a policy file.")],
    after: Annotated[str, typer.Argument(help="The other, likewise.")],
    policies: Annotated[Path, typer.Option(help="Folder of policies that ids are looked up in.")] = Path("policies"),
    log: Annotated[list[str] | None, typer.Option("--log", help="Decide this log under both, and compare.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's decisions of the log.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """
    Compare two policies as they are merged with their parents; with a log also what each would have decided.

    Exit code 0 when nothing differs, 1 when something does.

    Examples:
      tidegate policy diff acme acme-next
      tidegate policy diff acme acme-next --log decisions.jsonl.gz
      tidegate policy diff policies/acme.json drafts/acme.json
    """
    from worker.cli.policy.backtest import points
    from worker.cli.policy.changes import gathered, require_decisions, show_changes
    from worker.cli.policy.choice import chosen, logs
    from worker.policy.tools.backtest import Trial, backtest
    from worker.policy.tools.decisions_log import total_bytes
    from worker.policy.tools.diff import differences, other_contents

    (first, old), (second, new) = chosen(before, policies), chosen(after, policies)
    found = differences(first.resolved(old), second.resolved(new))
    found += other_contents(first.compiled(old).lists, second.compiled(new).lists)
    tally = None
    if log:
        base = Trial(first, old, points=points(first, [old]))
        trial = Trial(second, new, tenant, (first,), points(second, [new]), base)
        read = logs(log)
        tally = gathered(backtest(trial, read), total_bytes(read))
        require_decisions(tally, read, tenant)
    if json:
        document: dict[str, Any] = {"before": before, "after": after, "differences": [one.as_json() for one in found]}
        document["behaviour"] = None if tally is None else tally.as_json()
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        console.print(_tree(found, before, after) if found else "the two policies say the same")
        if tally is not None:
            show_changes(console, tally)
    if found:
        raise typer.Exit(1)


def _tree(found: list[Difference], before: str, after: str) -> Tree:
    root = Tree(f"{before} → {after}", guide_style="dim")
    groups: dict[str, Tree] = {}
    places: dict[tuple[str, str], Tree] = {}
    for one in found:
        group = groups.get(one.group) or groups.setdefault(one.group, root.add(Text(one.group, style="bold")))
        if one.kind != "changed" or not one.field:
            group.add(_line(one))
            continue
        key = one.group, one.where
        place = places.get(key) or places.setdefault(key, group.add(one.where or "all"))
        place.add(_line(one))
    return root


def _line(one: Difference) -> Text:
    name = one.field if one.kind == "changed" and one.field else one.where
    if one.kind == "changed":
        said = f"{_short(one.before)} → {_short(one.after)}"
    else:
        said = _short(one.after if one.kind == "added" else one.before)
    return Text(f"{_SIGNS[one.kind]} {name}: {said}", style=_STYLES[one.kind])


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        value = ", ".join(f"{name} {_short(inner)}" for name, inner in value.items() if inner is not None)
    elif isinstance(value, list):
        value = f"{len(value)} entries" if len(value) > 3 else ", ".join(map(str, value))
    text = str(value)
    return text if len(text) <= _WORDS else text[: _WORDS - 1] + "…"
