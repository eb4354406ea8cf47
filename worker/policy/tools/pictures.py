"""Pictures of the tools' reports, as svg or png by the file's name. No window is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from worker.core.errors import ConfigError
from worker.policy.tools.tally import ACTIONS, Tally
from worker.policy.tools.tune import Tuned

_COLOURS = {"allow": "#4c9f70", "flag": "#e0a030", "block": "#c0392b"}
_MOST_BARS = 20


def picture_of_changes(tally: Tally, path: Path, title: str) -> None:
    """What changes, by action and by node, with 95 % intervals, and the load a day before and after."""
    changes = [(pair, tally.share(*pair)) for pair in tally.actions if pair[0] != pair[1]]
    changes.sort(key=lambda one: one[1].count)
    nodes = tally.nodes.most_common(_MOST_BARS)[::-1]
    figure = Figure(figsize=(11, 3.2 + 0.26 * (len(changes) + len(nodes))), layout="constrained")
    figure.suptitle(title if tally.answered == tally.decisions else f"{title}, {tally.answered:,} answered exactly")
    heights = [max(len(changes), 2), max(len(nodes), 2)]
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 1), height_ratios=heights)
    actions, by_node, load = (figure.add_subplot(cell) for cell in (grid[0, 0], grid[1, 0], grid[:, 1]))
    for row, ((_, after), share) in enumerate(changes):
        low, high = share.interval
        actions.barh(row, share.value * 100, color=_COLOURS[after])
        actions.plot([low * 100, high * 100], [row, row], color="black", linewidth=1.5)
        actions.annotate(f" {share.count}", (high * 100, row), va="center", fontsize=8)
    actions.set_yticks(range(len(changes)), [f"{before} → {after}" for (before, after), _ in changes])
    actions.set_xlabel("% of the decisions, with 95 % interval")
    for row, ((_, before, after), count) in enumerate(nodes):
        by_node.barh(row, count, color=_COLOURS[after])
        by_node.annotate(f" {before} → {after}", (count, row), va="center", fontsize=8)
    by_node.set_yticks(range(len(nodes)), [category for (category, _, _), _ in nodes])
    by_node.set_xlabel("decisions in which the node changes")
    for place, action in enumerate(ACTIONS[1:]):
        values = [tally.a_day(when, action) for when in ("before", "after")]
        load.bar([place - 0.2, place + 0.2], values, width=0.38, color=_COLOURS[action], alpha=0.9)
        for x, value, when in zip((place - 0.2, place + 0.2), values, ("before", "after"), strict=True):
            load.annotate(f"{value:.0f}\n{when}", (x, value), ha="center", va="bottom", fontsize=8)
    load.set_xticks(range(2), ACTIONS[1:])
    load.margins(y=0.18)
    load.set_ylabel("decisions a day")
    save(figure, path)


def picture_of_tuning(tuned: Sequence[Tuned], path: Path) -> None:
    """Precision and recall over the threshold for each node, with 95 % intervals and the proposed points."""
    shown = [one for one in tuned if one.refused is None]
    if not shown:
        raise ConfigError("no node has enough labels, so there is nothing to draw")
    across = min(len(shown), 3)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(4.6 * across, 3.4 * down), layout="constrained")
    for place, one in enumerate(shown):
        axes = figure.add_subplot(down, across, place + 1)
        at = [point.threshold for point in one.curve]
        for name, shares, colour in (
            ("precision", [point.precision for point in one.curve], "#2c6fbb"),
            ("recall", [point.recall for point in one.curve], "#b0562c"),
        ):
            axes.plot(at, [share.value for share in shares], color=colour, label=name)
            bounds = [share.interval for share in shares]
            axes.fill_between(at, [low for low, _ in bounds], [high for _, high in bounds], color=colour, alpha=0.2)
        for threshold, points in one.named.items():
            axes.axvline(threshold, color="grey", linestyle=":", linewidth=1)
            axes.annotate(points, (threshold, 0.02), rotation=90, fontsize=7, ha="right", va="bottom")
        axes.set_title(f"{one.category} ({one.positives} of {one.positives + one.negatives} violate)", fontsize=10)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="threshold")
        if place == 0:
            axes.legend(fontsize=8, loc="center right")
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write the figure. Raises ConfigError for a place that cannot be written."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
