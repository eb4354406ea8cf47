"""`tidegate policy explain`: one event or stored decision as a tree, node by node."""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree as Drawn

from worker.cli.show import STYLES
from worker.core import log
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.core.decisions import Findings
    from worker.policy.compile import CompiledPolicy
    from worker.policy.tools.explain import Explanation, NodeView
    from worker.policy.tools.loading import PolicyFolder
    from worker.settings import Settings

_NOTABLE = 0.15  # a node that is nearer to its threshold than this is shown without --all


@dataclass(slots=True)
class _Told:
    """What is shown above the tree."""

    title: str
    action: str
    notes: list[str]


def explain(
    source: Annotated[str, typer.Argument(help="Event or decision lines: a file, or - for standard input.")],
    id: Annotated[str | None, typer.Option("--id", help="Of the event or decision; the first line without.")] = None,
    policies: Annotated[Path, typer.Option(help="Folder of policies.")] = Path("policies"),
    policy: Annotated[str | None, typer.Option(help="Explain under this policy, not the tenant's.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every node, not only those that act or nearly do.")
    ] = False,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML settings.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """
    Show why an event got its action, and what would have to change for another.

    An event line is judged now, by the models; a decision line is explained
    from the scores it holds, without them.

    Examples:
      tidegate policy explain event.json
      tidegate policy explain decisions.jsonl --id 4711 --policies policies
      tail -1 decisions.jsonl | tidegate policy explain - --all
    """
    from worker.policy.tools.loading import open_folder
    from worker.settings import load

    log.configure(level="error")
    line = _find(source, id)
    opened = open_folder(policies)
    settings = load(config)
    if "parts" in line:
        told, why = asyncio.run(_event(line, opened, policy, settings))
    elif "scores" in line and "policy" in line:
        told, why = explained(line, opened, policy)
    else:
        raise ConfigError(f"{source}: neither an event.v1 (with `parts`) nor a decision.v1 (with `scores`)")
    if json:
        document = {"version": 1, "title": told.title, "notes": told.notes, **why.as_json()}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        show_tree(Console(highlight=False), told, why, everything)


def _find(source: str, wanted: str | None) -> dict[str, Any]:
    """The first line, or the first with this id; a file may also be one document over many lines."""
    for number, raw in enumerate(_lines(source), 1):
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ConfigError(f"{source}:{number}: not JSON: {error.msg}") from None
        if isinstance(line, dict) and (wanted is None or wanted in (line.get("id"), line.get("event_id"))):
            return line
    what = f"no event or decision with the id {wanted!r}" if wanted is not None else "no line"
    raise ConfigError(f"{source}: it holds {what}")


def _lines(source: str) -> Iterator[bytes]:
    try:
        if source == "-":
            raw = sys.stdin.buffer.read()
        else:
            raw = Path(source).read_bytes()
            raw = gzip.decompress(raw) if source.endswith(".gz") else raw
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror or error}") from None
    try:
        yield orjson.dumps(orjson.loads(raw))  # one document, indented
    except orjson.JSONDecodeError:
        yield from (line for line in raw.splitlines() if line.strip())


def _policy_id(opened: PolicyFolder, wanted: str | None, tenant: str) -> str:
    policy_id = wanted or opened.of_tenant(tenant)
    if policy_id is None:
        raise ConfigError(f"tenants.json gives tenant {tenant!r} no policy: name one with --policy")
    return policy_id


async def _event(
    line: dict[str, Any], opened: PolicyFolder, wanted: str | None, settings: Settings
) -> tuple[_Told, Explanation]:
    """Judge an event now."""
    from worker.app import desk_alone
    from worker.cli.policy.choice import models_for
    from worker.policy.tools.loading import points_of

    policy_id = _policy_id(opened, wanted, str(line.get("tenant")))
    opened.resolved(policy_id)  # refuse before seconds of loading models what would be refused after it
    models = models_for(settings)
    compiled = opened.compiled(policy_id, models.concepts)
    async with desk_alone(settings, models) as desk:
        (judged,) = await desk.judge([orjson.dumps(line)], compiled)
    notes = [f"{d.where}: {d.reason}" for d in judged.findings.degraded]
    resolved = opened.resolved(policy_id)
    why = _explain(opened, policy_id, compiled, judged.findings, points_of(resolved, models.concepts))
    return _Told(f"event {line.get('id')}, judged now under {_name(compiled)}", judged.verdict.action.label, notes), why


def explained(line: dict[str, Any], opened: PolicyFolder, wanted: str | None) -> tuple[_Told, Explanation]:
    """A stored decision, explained from what it holds; `wanted`: another policy's id than its own."""
    from worker.cli.policy.choice import models_for_points
    from worker.policy.tools.loading import points_of
    from worker.policy.tools.stored import findings_of

    known = str(line["policy"]["id"])
    default = known if known in opened.folder.sources else _policy_id(opened, None, str(line["tenant"]))
    policy_id = wanted or default
    models = models_for_points([(opened, policy_id)])
    compiled = opened.compiled(policy_id, models.concepts if models else None)
    points = points_of(opened.resolved(policy_id), models.concepts) if models else None
    why = _explain(opened, policy_id, compiled, findings_of(line, compiled), points)
    notes = []
    if compiled.digest != line["policy"]["digest"]:
        then = f"{line['policy']['id']} {line['policy']['version']}"
        notes.append(f"it was decided under another version ({then}): tree and thresholds below are those of today")
    notes += [f"{d['where']}: {d['reason']}" for d in line.get("degraded") or ()]
    notes += [f"the action was changed afterwards: {o['cause']}, {o['detail']}" for o in line.get("overrides") or ()]
    if why.verdict.action.label != line["action"]:
        notes.append(
            f"it was {line['action']} then; by its scores and hits this policy says {why.verdict.action.label}"
        )
    return _Told(f"decision on event {line['event_id']} under {_name(compiled)}", str(line["action"]), notes), why


def _explain(
    opened: PolicyFolder, policy_id: str, compiled: CompiledPolicy, findings: Findings, points: Any
) -> Explanation:
    from worker.policy.conditions import compile_conditions
    from worker.policy.tools.explain import explain as why
    from worker.policy.tools.standing import Tree

    resolved = opened.resolved(policy_id)
    tree = Tree(resolved, points)
    conditions = compile_conditions(tree.whens, resolved)
    return why(tree, conditions, findings, compiled.decide([findings])[0])


def _name(compiled: CompiledPolicy) -> str:
    return f"{compiled.id} {compiled.version}"


def show_tree(console: Console, told: _Told, why: Explanation, everything: bool) -> None:
    console.print(Text.assemble((told.action, STYLES[told.action]), f"  {told.title}"), soft_wrap=True)
    for note in told.notes:
        console.print(Text(f"note: {note}", style="dim"), soft_wrap=True)
    for condition, said in why.outcomes:
        outcome = "failed, so its stricter side counts" if said is None else str(said).lower()
        console.print(Text(f"if {condition}: {outcome}", style="dim"), soft_wrap=True)
    for part in dict.fromkeys(node.type for node in why.nodes):
        console.print(_drawn(part, [node for node in why.nodes if node.type == part], everything))
    if not why.nodes:
        console.print("nothing was scored")
    for hit in dict.fromkeys((h.list_name, h.category, h.action.label, h.view) for h in why.hits):
        name, category, action, view = hit
        console.print(Text.assemble("hit of ", name, f" in {category} ({view}): ", (action, STYLES[action])))
    for change in why.changes:
        console.print(Text.assemble("to get ", (change.to.label, STYLES[change.to.label]), " instead"))
        for label, steps in (("scores", change.scores), ("or thresholds", change.thresholds), ("and", change.hits)):
            if steps:
                console.print(Text(f"  {label}: {'; '.join(steps)}"), soft_wrap=True)


def _drawn(part: str, nodes: list[NodeView], everything: bool) -> Drawn:
    """The tree for one type of part; quiet nodes are left out unless something below them is shown."""
    root = Drawn(Text(part, style="bold"))
    shown = {node.path for node in nodes if everything or _notable(node)}
    kept = {path for path in (node.path for node in nodes) if any(s == path or s.startswith(f"{path}/") for s in shown)}
    at: dict[str, Drawn] = {}
    for node in nodes:
        if node.path in kept:
            above = node.path.rpartition("/")[0]
            at[node.path] = at.get(above, root).add(_label(node))
    left = len(nodes) - len(kept)
    if left:
        root.add(Text(f"{left} more, all further than {_NOTABLE} from acting (--all shows them)", style="dim"))
    return root


def _notable(node: NodeView) -> bool:
    margin = node.margin
    return node.mode != "off" and (node.action.label != "allow" or (margin is not None and margin > -_NOTABLE))


def _label(node: NodeView) -> Text:
    """Two or three short lines: the scores, the thresholds with where they stand, and how far it is."""
    action = node.action.label
    name = node.path.rpartition("/")[2]
    text = Text.assemble((name, "bold"), "  ", (action, STYLES[action] if node.mode == "enforce" else "dim"))
    if node.mode != "enforce":
        text.append(f" ({node.mode})", style="dim")
    if node.own == node.own:
        raw = f" (log-odds {node.raw:+.2f})" if node.raw is not None else ""
        text.append(f"\nscore {node.own:.4g}{raw}")
    else:
        text.append("\nno score of its own")
    if node.scored_by is not None:
        text.append(f", rolled up {node.rolled:.4g} from {node.scored_by}")
    if node.margin is not None:
        text.append(f", margin {node.margin:+.4g}")
    for label, threshold, where in (("flag", node.flag, node.flag_from), ("block", node.block, node.block_from)):
        if threshold is not None:
            text.append(f"\n{label} from {threshold:g} ({where})", style="dim")
    if node.view and node.action.label != "allow":
        text.append(f"\nseen in {node.view}" + (f" by {node.model}" if node.model else ""), style="dim")
    return text
