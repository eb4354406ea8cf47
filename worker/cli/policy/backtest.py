"""`tidegate policy backtest`: yesterday's decisions under today's draft of a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console

from worker.cli.policy.choice import Picture

if TYPE_CHECKING:
    from worker.core.views import Thresholds
    from worker.policy.tools.loading import PolicyFolder

_LOG = typer.Option(
    "--log", help="decision.v1 lines, plain, .gz or .zst, or a decision store; - is standard input; repeat it."
)


def backtest(
    names: Annotated[list[str], _LOG],
    policies: Annotated[Path, typer.Option(help="Folder with the policies to try.")] = Path("policies"),
    policy: Annotated[str | None, typer.Option(help="Decide everything by this policy, not each tenant's own.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's decisions.")] = None,
    was: Annotated[
        list[Path] | None, typer.Option(help="Folder with policies as they were when the log was written; repeat it.")
    ] = None,
    picture: Picture = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    fail_over: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Exit 1 when more than this share of decisions changes, or some have no answer."
        ),
    ] = None,
) -> None:
    """
    Decide a log of decisions again under other policies: from its scores and hits alone, without models or content.

    What the log cannot answer is counted and named. A category with a new
    definition, a list that was not searched with, or a context field that was
    not stored has no answer there: try those as a candidate.

    Exit code 0, also when decisions change; with --fail-over 1 when too many
    do; 2 when the log holds no decision.

    Examples:
      tidegate policy backtest --log decisions.jsonl --policy acme-next
      tidegate policy backtest --log mon.gz --log tue.gz --tenant acme
      tidegate policy backtest --log mon.gz --policies drafts --was policies
      zstdcat july.zst | tidegate policy backtest --log - --picture july.svg
    """
    from worker.cli.policy.changes import gathered, report_json, require_decisions, show_changes
    from worker.cli.policy.choice import logs
    from worker.policy.tools.backtest import Trial
    from worker.policy.tools.backtest import backtest as decide_again
    from worker.policy.tools.decisions_log import total_bytes
    from worker.policy.tools.loading import open_folder

    folder, log = open_folder(policies), logs(names)
    trial = Trial(folder, policy, tenant, tuple(open_folder(path) for path in was or ()))
    trial = Trial(folder, policy, tenant, trial.was, points(folder, trial.ids()))
    tally = gathered(decide_again(trial, log), total_bytes(log))
    require_decisions(tally, log, tenant)
    if json:
        document = report_json(tally, policies=str(policies), policy=policy, tenant=tenant)
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        show_changes(Console(highlight=False), tally)
    if picture is not None:
        from worker.policy.tools.pictures import picture_of_changes

        picture_of_changes(tally, picture, f"{tally.decisions:,} decisions under {policy or policies}")
    if fail_over is not None and (tally.changed.value > fail_over or tally.unanswered or tally.open):
        raise typer.Exit(1)


def points(folder: PolicyFolder, ids: Sequence[str]) -> Mapping[str, Thresholds]:
    """Operating points as thresholds, by policy; loads the models only where one is written with them."""
    from worker.cli.policy.choice import models_for_points
    from worker.policy.tools.loading import has_points, points_of

    models = models_for_points([(folder, policy_id) for policy_id in ids])
    if models is None:
        return {}
    written = [resolved for resolved in map(folder.resolved, ids) if has_points(resolved)]
    found = {resolved.id: points_of(resolved, models.concepts) for resolved in written}
    return {policy_id: thresholds for policy_id, thresholds in found.items() if thresholds is not None}
