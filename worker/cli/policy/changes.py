"""How changes look in a terminal: by action and by node, with intervals; what the log did not answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from worker.cli.show import STYLES, many
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.policy.tools.decisions_log import Log
    from worker.policy.tools.tally import Tally

_MOST_NODES = 20


def gathered(parts: Iterable[tuple[Tally, int]], total_bytes: int | None) -> Tally:
    """The sum of the parts, with a progress bar on a terminal's standard error."""
    from worker.policy.tools.tally import Tally

    whole = Tally()
    for part, read in _watched(parts, total_bytes):
        whole.add(part)
        del read
    return whole


def _watched(parts: Iterable[tuple[Tally, int]], total_bytes: int | None) -> Iterator[tuple[Tally, int]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, decided = progress.add_task("deciding again", total=total_bytes), 0
        for part, read in parts:
            decided += part.decisions
            progress.update(task, completed=read, description=f"decided again: {decided:,}")
            yield part, read


def require_decisions(tally: Tally, log: Sequence[Log], tenant: str | None) -> None:
    """Raise ConfigError where a log held nothing to decide again: a report of noughts would look like good news."""
    if tally.decisions:
        return
    names = ", ".join(map(str, log))
    if tally.elsewhere:
        raise ConfigError(
            f"{names}: no decision is of tenant {tenant!r}, {tally.elsewhere:,} are of others: name theirs"
        )
    raise ConfigError(f"{names}: there is no decision in it: make some with tidegate moderate --events FILE --json")


def show_changes(console: Console, tally: Tally) -> None:
    """The whole report."""
    held = f"{many(tally.decisions, 'decision')} of {many(len(tally.dates) or 1, 'day')}"
    if tally.answered:
        console.print(f"{held}, {tally.answered:,} answered exactly; {tally.changed.count:,} change: {tally.changed}")
        console.print(_actions(tally))
    else:
        console.print(f"{held}, none answered exactly")
    if tally.nodes:
        console.print(_nodes(tally))
    if tally.answered or tally.open:
        console.print(_load(tally))
    _show_open(console, tally)


def plain_table(*columns: tuple[str, str]) -> Table:
    """An empty table without lines; each column a name and how it is justified."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
    for name, justify in columns:
        made.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return made


def pair(before: str, after: str) -> Text:
    """One action turning into another, in their colours."""
    return Text.assemble((before, STYLES[before]), " → ", (after, STYLES[after]))


def _actions(tally: Tally) -> Table:
    table = plain_table(
        ("action", "left"), ("decisions", "right"), ("share, 95 % interval", "left"), ("for example", "left")
    )
    for (before, after), count in sorted(tally.actions.items(), key=lambda one: (one[0][0] == one[0][1], -one[1])):
        examples = ", ".join(tally.examples[before, after][:2]) if before != after else ""
        table.add_row(pair(before, after), f"{count:,}", str(tally.share(before, after)), examples)
    return table


def _nodes(tally: Tally) -> Table:
    from worker.core.shares import Share

    table = plain_table(
        ("node", "left"),
        ("does", "left"),
        ("decisions", "right"),
        ("share, 95 % interval", "left"),
        ("for example", "left"),
    )
    for (category, before, after), count in tally.nodes.most_common(_MOST_NODES):
        example = tally.examples[category, before, after][0]
        table.add_row(category, pair(before, after), f"{count:,}", str(Share(count, tally.answered)), example)
    if (more := len(tally.nodes) - _MOST_NODES) > 0:
        table.add_row(f"and {more} more: see --json", "", "", "", "")
    return table


def _load(tally: Tally) -> Table:
    after = "after, at least" if tally.open else "after"
    table = plain_table(("a day", "left"), ("before", "right"), (after, "right"))
    for action in ("flag", "block"):
        row = [f"{tally.a_day(when, action):,.0f}" for when in ("before", "after")]
        table.add_row(Text(action, STYLES[action]), *row)
    return table


def _show_open(console: Console, tally: Tally) -> None:
    """What the log could not say; an author must see it before the figures are believed."""
    if tally.open:
        stricter = sum(n for (before, after), n in tally.open.items() if before != after)
        console.print(
            f"answered in part: {many(tally.open.total(), 'decision')}, which may come out stricter than what is known "
            f"of them (which changes {stricter:,}); they are not in the tables of changes",
            style="yellow",
        )
        for (before, after), count in tally.open.most_common():
            if before != after:
                console.print(Text.assemble(f"  {count:,}: ", pair(before, after), " at least"))
    if tally.unanswered:
        console.print(f"not answered by the log: {many(tally.unanswered, 'decision')}", style="yellow")
    for words, count in tally.missing.most_common():
        console.print(f"  {count:,}: {words}", style="yellow")
    if tally.missing:
        console.print("  a candidate in tenants.json answers them all; what else helps: docs/policies.md, Backtest")
    for count, what in ((tally.no_decisions, "lines are no decision"), (tally.elsewhere, "are of other tenants")):
        if count:
            console.print(f"{count:,} {what}: left out")
    if len(tally.models) > len({name for name, _ in tally.models}):
        console.print("the log holds scores of more than one version of a model: see models in --json", style="yellow")


def report_json(tally: Tally, **tried: Any) -> dict[str, Any]:
    """The report as one document; `tried` says what was asked."""
    return {"tried": tried} | tally.as_json()
