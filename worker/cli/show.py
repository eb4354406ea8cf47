"""How a decision looks in a terminal: one row of a table, never the content."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

STYLES = {"allow": "green", "flag": "yellow", "block": "red"}


def many(count: int, what: str) -> str:
    """`1 day`, `1,200 days`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def table(title: str | None = None) -> Table:
    """An empty table of decisions."""
    made = Table(
        title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0), header_style="bold underline", box=None
    )
    # Widths that leave all six columns whole on a terminal of 80.
    made.add_column("event", max_width=25, overflow="ellipsis", no_wrap=True)
    made.add_column("kind", max_width=10, no_wrap=True)
    made.add_column("action", no_wrap=True)
    made.add_column("why", overflow="fold", min_width=22, max_width=25)
    made.add_column("score", justify="right", no_wrap=True)
    made.add_column("ms", justify="right", no_wrap=True)
    return made


def row(decision: dict[str, Any], name: str | None = None) -> list[str | Text]:
    """One decision as a row of `table()`."""
    action = decision["action"]
    first = next(iter(decision["reasons"]), None)
    top = max(decision["scores"].values(), default=None)
    score = first.get("score") if first else top
    return [
        name or f"{decision['tenant']}/{decision['event_id']}",
        "+".join(decision["types"]) or "-",
        Text(action, style=STYLES[action]),
        why(decision),
        "" if score is None else f"{score:.2f}",
        f"{decision['latency_ms']['total']:.0f}",
    ]


def line(decision: dict[str, Any]) -> Text:
    """One decision as one line, for a stream of them: what happened first, details after."""
    name, kind, action, because, score, ms = row(decision)
    text = Text.assemble(action, " " * (6 - len(action)), f"{score:>5} {ms:>6} ms  {kind:<11}{name}")
    if because:
        text.append("  " + str(because).replace("\n", " in "), style="dim")
    tried = decision.get("candidate")
    if tried and tried["action"] not in (None, decision["action"]):
        text.append(f"  candidate: {tried['action']}", style="cyan")
    return text


def why(decision: dict[str, Any]) -> str:
    """The strictest reason in a few words: category, where it was seen, which list or threshold."""
    first = next(iter(decision["reasons"]), None)
    degraded = decision["degraded"]
    if first is None:
        return f"degraded: {degraded[0]['code']}" if degraded else ""
    where = first.get("view") or ""
    if "list" in first:
        return f"{first['category']}\n{where}, list {first['list']}"
    return f"{first['category']}\n{where} ≥ {first['threshold']:g}"
