"""`tidegate eval`: how good, how robust and how fair a policy's answers are, on events that say what is right."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from worker.core import log
from worker.core.decisions import Action, Judgement, fall_back
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.core.ports import EventJudge, Policy
    from worker.core.views import Thresholds
    from worker.quality.attack import Attack
    from worker.quality.labelled import Labelled
    from worker.quality.report import Answer
    from worker.score.profile import Models
    from worker.settings import Settings

_AT_ONCE = 64  # events judged between two moves of the bar
OnMoved = Callable[[str, int, int], None]  # what is judged now, how many are done, of how many
Measured = Callable[[Sequence["Labelled"], Sequence["Attack"], OnMoved], Awaitable[dict[str, Any]]]


def evaluate(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Labelled event lines.")] = None,
    policies: Annotated[Path, typer.Option(help="Folder of policies.")] = Path("policies"),
    tenant: Annotated[str, typer.Option(help="Whose policy judges, whatever tenant an event names.")] = "demo",
    attacks: Annotated[str | None, typer.Option(help="Attacks by name, with commas between them, or `all`.")] = None,
    compare: Annotated[tuple[Path, Path] | None, typer.Option(help="Two reports, OLD and NEW; nothing is run.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="With --compare: the loss that is no failure.")] = 0.02,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many events of each file, evenly.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page with curves to this file.")] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file, - for standard out.")
    ] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML settings.")] = None,
) -> None:
    """
    Judge labelled events and say how good, how robust and how fair the answers are.

    Lines are event.v1 with `labels` beside the parts: `{"hate": 1}`, `{"any": 0}`; `group` and `pair` for fairness.
    Exit codes: 0 done; 1 with --compare, when a figure got worse than is tolerated; 2 unusable arguments or files.

    Examples:
      tidegate eval labelled.jsonl
      tidegate eval labelled.jsonl --attacks leet,base64 --html page.html
      tidegate eval labelled.jsonl --json after.json
      tidegate eval --compare before.json after.json
    """
    from worker.quality.attacks import ATTACKS
    from worker.quality.page import page
    from worker.settings import load

    if (compare is None) == (not files):
        raise typer.BadParameter("give files of labelled events, or --compare with two reports")
    if compare is not None:
        _compare(*compare, tolerance)
        return
    log.configure(level="error")
    chosen = _attacks(attacks, ATTACKS)
    rows = [row for file in files or () for row in _sampled(_read(file), limit)]
    if not rows:
        raise ConfigError("there is no labelled event in the files: write one a line")
    found = asyncio.run(_evaluate(load(config), policies, tenant, rows, chosen))
    if html is not None:
        _write(html, page(found, "Moderation quality").encode())
    if json is not None and str(json) != "-":
        _write(json, orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    if str(json) == "-":
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(Console(highlight=False), found)


def _attacks(asked: str | None, known: Mapping[str, Attack]) -> list[Attack]:
    if asked is None:
        return []
    names = list(known) if asked == "all" else [name.strip() for name in asked.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no attack {name!r}: use all, or some of {', '.join(known)}")
    return [known[name] for name in names]


def _read(file: Path) -> list[Labelled]:
    from worker.quality.labelled import read_labelled

    try:
        with file.open("rb") as lines:
            return list(read_labelled(lines, str(file)))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None


def _sampled(rows: list[Labelled], limit: int | None) -> list[Labelled]:
    """At most `limit` rows, spread evenly over the file, so that its parts keep their shares."""
    if limit is None or len(rows) <= limit:
        return rows
    return [rows[i * len(rows) // limit] for i in range(limit)]


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


async def _evaluate(
    settings: Settings, policies: Path, tenant: str, rows: Sequence[Labelled], attacks: Sequence[Attack]
) -> dict[str, Any]:
    from worker.cli.policy.choice import models_for

    models = models_for(settings)
    async with bench(settings, models, policies, tenant) as measured:
        with progress_bar() as bar:
            task = bar.add_task("", total=None)

            def moved(what: str, done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)

            return await measured(rows, attacks, moved)


@contextlib.asynccontextmanager
async def bench(settings: Settings, models: Models, policies: Path, tenant: str) -> AsyncIterator[Measured]:
    """
    What measures rows under the tenant's policy, through the desk: the pipeline of the traffic.

    Raises:
        ConfigError: the tenant has no policy there.
    """
    from worker.app import desk_alone
    from worker.policy.tools.loading import open_folder, points_of

    folder = open_folder(policies)
    policy_id = folder.of_tenant(tenant)
    if policy_id is None:
        raise ConfigError(f"tenant {tenant!r} has no policy in {policies}: name one that has, or give `*` one")
    policy = folder.compiled(policy_id, models.concepts)
    points = points_of(folder.resolved(policy_id), models.concepts)
    async with desk_alone(settings, models) as desk:

        async def measured(rows: Sequence[Labelled], attacks: Sequence[Attack], on_moved: OnMoved) -> dict[str, Any]:
            found = await _measured(desk, policy, points, rows, attacks, on_moved)
            found["policy"] = {"id": policy.id, "version": policy.version, "digest": policy.digest}
            found["models"] = [{"name": ref.name, "version": ref.version, "digest": ref.digest} for ref in models.refs]
            return found

        yield measured


async def _measured(
    desk: EventJudge,
    policy: Policy,
    points: Thresholds | None,
    rows: Sequence[Labelled],
    attacks: Sequence[Attack],
    on_moved: OnMoved,
) -> dict[str, Any]:
    from worker.quality.labelled import attacked
    from worker.quality.report import report

    hidden = [i for i, row in enumerate(rows) if row.all_text and row.any is not None]
    total, done = len(rows) + len(attacks) * len(hidden), 0

    async def judged(what: str, asked: Sequence[Labelled]) -> list[Answer]:
        nonlocal done
        answers: list[Answer] = []
        for start in range(0, len(asked), _AT_ONCE):
            on_moved(what, done, total)
            chunk = asked[start : start + _AT_ONCE]
            answers += await answers_of(desk, policy, chunk)
            done += len(chunk)
        return answers

    began = time.perf_counter()
    plain = await judged("as written", rows)
    took = time.perf_counter() - began
    chosen, before = [rows[i] for i in hidden], [plain[i] for i in hidden]
    tried = {
        attack.name: (chosen, before, await judged(attack.name, [attacked(row, attack) for row in chosen]))
        for attack in attacks
    }
    found = report(rows, plain, policy.categories, points, tried)
    found["events_per_s"] = round(len(rows) / took, 2)
    return found


async def answers_of(desk: EventJudge, policy: Policy, rows: Sequence[Labelled]) -> list[Answer]:
    """What `policy` says of each row."""
    return [_answer(one, policy) for one in await desk.judge([row.encoded for row in rows], policy)]


def _answer(one: Judgement, policy: Policy) -> Answer:
    from worker.quality.report import Answer

    degraded = one.findings.degraded
    action, _ = fall_back(one.verdict.action, (found.rule for found in degraded), policy.otherwise)
    named = frozenset(reason.category for reason in one.verdict.reasons)
    return Answer(one.findings.scores, action > Action.ALLOW, named, bool(degraded))


def progress_bar() -> Progress:
    """On standard error, so that `--json -` stays clean."""
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show(console: Console, found: Mapping[str, Any]) -> None:
    from worker.quality import page

    console.print(page.heading(found), soft_wrap=True)
    console.print(_table(("category", "yes", "no", "AUROC", "AP", "ECE"), page.category_rows(found)))
    # A terminal has no room for every point of every category; the page has.
    points = [row for row in page.point_rows(found) if row[0] == "any" or row[1] == "policy"]
    console.print(_table(("category", "at", "recall", "precision", "false positives"), points))
    if found["groups"]:
        head = ("group", "n", "false positives", "gap", "subgroup", "BPSN", "BNSP")
        console.print(_table(head, page.group_rows(found)))
    if found["swaps"] is not None:
        console.print(page.swaps_told(found["swaps"]))
    if found["attacks"]:
        console.print(_table(("attack", "missed", "flagged plain", "flagged attacked"), page.attack_rows(found)))
        console.print(page.together_told(found["attacks_together"]), soft_wrap=True)


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    made = Table(pad_edge=False, padding=(0, 1, 0, 0), header_style="bold underline", box=None)
    for i, name in enumerate(head):
        made.add_column(name, justify="left" if i == 0 or name == "at" else "right", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _compare(old: Path, new: Path, tolerance: float) -> None:
    from worker.quality.compare import changes, missing, worse

    before, after = _report(old), _report(new)
    found = [change for change in changes(before, after) if change.beyond_noise]
    bad = set(worse(found, tolerance))
    gone = missing(before, after)
    console = Console(highlight=False)
    if found:
        rows = [
            (
                "✗" if change in bad else "",
                change.name,
                f"{change.old:.3f}",
                f"{change.new:.3f}",
                f"{-change.loss:+.3f}",
            )
            for change in found
        ]
        console.print(_table(("", "figure", "old", "new", "better by"), rows))
    told = "the same rows" if before["rows_digest"] == after["rows_digest"] else "other rows"
    counts = f"{len(found)} figures changed beyond noise, {len(bad)} got worse by more than {tolerance:g}"
    console.print(f"{told}; {counts}", soft_wrap=True)
    if gone:
        console.print(f"no longer measured: {', '.join(gone)}", soft_wrap=True)
    if bad:
        raise typer.Exit(1)


def _report(path: Path) -> dict[str, Any]:
    from worker.quality.report import VERSION

    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ConfigError(f"{path}: no report of `tidegate eval --json` in version {VERSION}")
    return found
