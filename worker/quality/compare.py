"""Two reports side by side: what changed, whether beyond noise, and whether it got worse than is tolerated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

TOLERANCE = 0.02
_FIGURES = (("auroc", +1), ("ap", +1))
_RATES = (("recall", +1), ("precision", +1), ("false_positive_rate", -1))


class Figure(NamedTuple):
    """One figure of a report."""

    value: float
    half: float  # half of its 95 % interval; 0 when it has none
    better: int  # +1: more is better; -1: less is


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both reports. All in the figure's own unit."""

    name: str  # "hate: auroc", "any: recall at policy", "attack leet: success"
    old: float
    new: float
    better: int
    beyond_noise: bool

    @property
    def loss(self) -> float:
        """By how much it got worse; below 0 when it got better."""
        return (self.old - self.new) * self.better


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """
    Every figure that both reports have and that differs, worst loss first.

    Of the same rows any difference is real, for scores have no dice in them; of other rows it is beyond noise when it
    passes the root of both intervals' squares, as if the samples were independent.
    """
    before, after = dict(figures(old)), dict(figures(new))
    same = old["rows_digest"] == new["rows_digest"]
    found = []
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        moved = abs(other.value - one.value)
        if moved > 1e-9:
            noise = (one.half**2 + other.half**2) ** 0.5
            found.append(Change(name, one.value, other.value, one.better, same or moved > noise))
    return sorted(found, key=lambda change: (-change.loss, change.name))


def missing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Figures that the old report has and the new one has not: a figure that is gone cannot be said to be no worse."""
    return sorted(dict(figures(old)).keys() - dict(figures(new)).keys())


def worse(found: list[Change], tolerance: float = TOLERANCE) -> list[Change]:
    """The changes that lost more than is tolerated, beyond noise."""
    return [change for change in found if change.loss > tolerance and change.beyond_noise]


def figures(report: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """All figures of a report that can get worse, by name."""
    for category, found in report["categories"].items():
        for name, better in _FIGURES:
            if found[name] is not None:
                yield f"{category}: {name}", _of(found[name], "value", better)
        yield f"{category}: ece", Figure(found["ece"], 0.0, -1)
        for point, told in found["points"].items():
            for name, better in _RATES:
                if told[name]["of"]:
                    yield f"{category}: {name} at {point}", _of(told[name], "share", better)
    for name, told in report["attacks"].items():
        if told["success"]["of"]:
            yield f"attack {name}: success", _of(told["success"], "share", -1)
        if told["flagged_attacked"]["of"]:
            yield f"attack {name}: harmless flagged", _of(told["flagged_attacked"], "share", -1)
    for name, told in (report["worst_group"] or {}).items():
        yield f"worst group: {name}", Figure(told["value"], 0.0, -1 if name == "false_positive_gap" else +1)
    if report["swaps"] is not None:
        yield "swaps: mean spread", Figure(report["swaps"]["spread"]["mean"], 0.0, -1)
        yield "swaps: decided apart", _of(report["swaps"]["decided_apart"], "share", -1)


def _of(found: Mapping[str, Any], name: str, better: int) -> Figure:
    return Figure(found[name], (found["high"] - found["low"]) / 2, better)
