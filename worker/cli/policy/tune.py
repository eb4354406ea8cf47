"""`tidegate policy tune`: thresholds from labelled events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from worker.cli.policy.changes import plain_table
from worker.cli.policy.choice import Picture, write
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.policy.tools.decisions_log import Log
    from worker.policy.tools.labels import Labels
    from worker.policy.tools.loading import PolicyFolder
    from worker.policy.tools.tune import Threshold, Traffic, Tuned
    from worker.store.verdicts import Reviewed

_GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_LOG = typer.Option("--log", help="decision.v1 lines of the labelled events, or a decision store; repeat it.")
_TRAFFIC = typer.Option(
    "--traffic", help="decision.v1 lines of the tenant's own days, for what a day brings; repeat it."
)


def tune(
    policy: Annotated[str, typer.Option(help="The policy to tune, by its id.")],
    labels: Annotated[
        Path | None, typer.Option(help="Lines with event_id (or id) and labels: category to 0 or 1.")
    ] = None,
    log: Annotated[list[str] | None, _LOG] = None,
    reviews: Annotated[
        Path | None, typer.Option(help="A decision store: its reviewers' verdicts are the labels.")
    ] = None,
    policies: Annotated[Path, typer.Option(help="Folder of policies.")] = Path("policies"),
    traffic: Annotated[list[str] | None, _TRAFFIC] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's traffic and reviews.")] = None,
    was: Annotated[list[Path] | None, typer.Option(help="Folder with policies as they were then; repeat it.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Only this category, by its path; repeat it.")] = None,
    recall: Annotated[float, typer.Option(min=0, max=1, help="What high_recall aims at.")] = 0.9,
    precision: Annotated[float, typer.Option(min=0, max=1, help="What high_precision aims at.")] = 0.9,
    flag: Annotated[
        str, typer.Option(help="high_recall, balanced or high_precision: where the patch flags.")
    ] = "balanced",
    patch: Annotated[Path | None, typer.Option(help="Write the patch to this file.")] = None,
    picture: Picture = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document, with every threshold.")] = False,
) -> None:
    """
    Propose thresholds from labelled events or reviews: per node, precision and recall at each, with 95 % intervals.

    Scores come from decisions, so no model runs here; make them with
    `tidegate moderate --events FILE --json`, or give a store with reviews,
    which has both. A node with fewer than 30 violating events is refused.
    The proposal is a JSON merge patch (RFC 7396) of the policy.

    Exit code 1 when no node has labels enough.

    Examples:
      tidegate moderate --events l.jsonl --json > scored.jsonl
      tidegate policy tune --labels l.jsonl --log scored.jsonl --policy acme
      tidegate policy tune --reviews decisions --policy acme --tenant acme
    """
    from worker.core.ports import OPERATING_POINTS
    from worker.policy.tools.labels import unknown_categories
    from worker.policy.tools.loading import open_folder
    from worker.policy.tools.tune import merge_patch
    from worker.policy.tools.tune import tune as propose

    if flag not in OPERATING_POINTS:
        raise typer.BadParameter(f"--flag takes {', '.join(OPERATING_POINTS)}")
    judged, people = _judged(labels, log, reviews, tenant)
    folder, read = open_folder(policies), judged.labels
    categories = folder.compiled(policy).categories
    scored, day = _scores(folder, policy, [open_folder(path) for path in was or ()], judged, traffic, tenant)
    if not scored:
        raise ConfigError(judged.nothing)
    tuned = propose(categories, read, scored, day, recall=recall, precision=precision)
    if category and (absent := sorted(set(category) - {one.category for one in tuned})):
        names = ", ".join(one.category for one in tuned)
        raise ConfigError(f"--category {absent[0]}: the policy or the labels lack it: name one of {names}")
    tuned = [one for one in tuned if category is None or one.category in category]
    proposal = merge_patch(tuned, flag)
    if patch is not None and proposal:
        write(patch, orjson.dumps(proposal, option=orjson.OPT_INDENT_2) + b"\n")
    if json:
        about: dict[str, Any] = {"policy": policy, "labelled": len(read), "scored": len(scored)}
        about |= {"unknown_categories": unknown_categories(read, categories)}
        about |= {"reviews": people.as_json()} if people is not None else {}
        about |= {"nodes": [one.as_json() for one in tuned], "patch_format": "RFC 7396", "patch": proposal}
        typer.echo(orjson.dumps(about, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(tuned, proposal, len(read), len(scored), unknown_categories(read, categories))
        _show_people(people)
    if picture is not None and proposal:
        from worker.policy.tools.pictures import picture_of_tuning

        picture_of_tuning(tuned, picture)
    if not proposal:
        raise typer.Exit(1)


class _Judged(NamedTuple):
    """Labels, the decisions they are of, and by which of their fields; `nothing`: what to say when none is there."""

    labels: Labels
    log: Sequence[Log]
    key: str
    nothing: str


def _judged(
    labels: Path | None, log: list[str] | None, reviews: Path | None, tenant: str | None
) -> tuple[_Judged, Reviewed | None]:
    from worker.cli.policy.choice import logs
    from worker.policy.tools.labels import read_labels
    from worker.store.appeals import joined
    from worker.store.reading import DecisionStore
    from worker.store.verdicts import reviewed

    if reviews is not None and labels is None and log is None:
        people = reviewed(joined(DecisionStore(reviews), "review", tenant))
        nothing = f"{reviews} holds no review of a kept decision: verdicts come by topics.reviews, see `store fill`"
        return _Judged(people.labels, [people], "id", nothing), people
    if labels is None or log is None or reviews is not None:
        raise typer.BadParameter("give --labels with --log, or --reviews alone")
    nothing = f"no event of {labels} stands in the log: judge the labelled events first, see --help"
    return _Judged(read_labels(labels), logs(log), "event_id", nothing), None


def _scores(
    folder: PolicyFolder,
    policy: str,
    was: list[PolicyFolder],
    judged: _Judged,
    traffic: list[str] | None,
    tenant: str | None,
) -> tuple[Mapping[str, Any], Traffic | None]:
    """Scores of what is labelled by its key, and the histogram of the traffic."""
    from worker.cli.policy.choice import logs
    from worker.policy.tools.decisions_log import blocks, total_bytes
    from worker.policy.tools.loading import by_digest
    from worker.policy.tools.tune import Scored, Traffic

    compiled = folder.compiled(policy)
    reader = Scored(compiled, by_digest((folder, *was)))
    found: dict[str, Any] = {}
    day = Traffic(len(compiled.categories)) if traffic else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for names, what in ((judged.log, "labelled"), (logs(traffic or ()), "traffic")):
            task = progress.add_task(f"reading scores: {what}", total=total_bytes(names))
            for block, read in blocks(names):
                for decisions, scores in reader.read([block], tenant if what == "traffic" else None):
                    if what == "labelled":
                        pairs = zip(decisions, scores, strict=True)
                        found |= {said[judged.key]: row for said, row in pairs if said.get(judged.key) in judged.labels}
                    elif day is not None:
                        day.add(decisions, scores)
                progress.update(task, completed=read)
    return found, day


def _show(tuned: list[Tuned], proposal: dict[str, Any], labelled: int, scored: int, unknown: list[str]) -> None:
    console = Console(highlight=False)
    console.print(f"{labelled:,} labelled events, {scored:,} of them with scores")
    for one in tuned:
        if one.refused is None:
            console.print(
                f"\n[bold]{one.category}[/bold]: {one.positives:,} of {one.positives + one.negatives:,} violate"
            )
            console.print(_curve(one))
    for one in tuned:
        if one.refused is not None:
            console.print(f"{one.category}: refused: {one.refused}", style="yellow")
    if unknown:
        console.print(f"labelled, and not in the policy: {', '.join(unknown)}", style="yellow")
    if proposal:
        console.print("\nas a JSON merge patch (RFC 7396); a child policy with `extends` may hold the same:")
        console.print(orjson.dumps(proposal, option=orjson.OPT_INDENT_2).decode())


def _show_people(people: Reviewed | None) -> None:
    """What the labels are worth: reviewers look at all that was flagged, and at little of the rest."""
    if people is None:
        return
    others = len(people.labels) - people.acted
    typer.secho(
        f"reviews of {people.acted:,} decisions that acted and {others:,} that did not: what nobody reviewed below the "
        "thresholds is in no recall here, so recall is flattered; label a random sample to know it",
        fg="yellow",
    )
    for why, count in people.left_out.most_common():
        typer.secho(f"{count:,} left out: {why}", fg="yellow")


def _curve(one: Tuned) -> Table:
    table = plain_table(("threshold", "right"), ("precision, 95 %", "left"), ("recall, 95 %", "left"))
    table.add_column("a day", justify="right")
    table.add_column("point")
    names = one.named
    shown: dict[float, Threshold] = {point.threshold: point for point in one.points.values()}
    for step in _GRID:
        near = next((point for point in one.curve if point.threshold >= step), None)
        if near is not None and near.threshold not in shown:
            shown[near.threshold] = near
    for threshold, point in sorted(shown.items()):
        day = "" if point.a_day is None else f"{point.a_day:,.0f}"
        row = f"{threshold:.4f}", str(point.precision), str(point.recall), day, names.get(threshold, "")
        table.add_row(*row, style="bold" if threshold in names else None)
    return table
