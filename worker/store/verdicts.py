"""Reviewers' verdicts as labels for tuning: which decision violated which category, by the people who looked at it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.core.schema_people import ReviewDocument
from worker.store.appeals import Joined


@dataclass(slots=True)
class Reviewed:
    """
    Labels by decision id, then by category path; and the decisions themselves, as a log that tools read.

    acted: how many of them were flagged or blocked. left_out: verdicts that say nothing of a category.
    """

    labels: dict[str, dict[str, bool]] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    acted: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def size(self) -> int:
        """Bytes of the decisions."""
        return sum(len(line) + 1 for line in self.lines)

    def pages(self, _: int) -> Iterator[bytes]:
        """All of them in one: people looked at each."""
        yield b"\n".join([*self.lines, b""])

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"acted": self.acted, "others": len(self.labels) - self.acted, "left_out": dict(self.left_out)}


def reviewed(found: Iterable[Joined]) -> Reviewed:
    """
    What reviews say of each decision, category by category; where reviewers differ the majority, and nothing at a tie.

    `allow` is a 0 for all that was scored. Anything else is a 1 for the category it names and those above it, and says
    nothing of the others: a reviewer names one. One that names none means the category that acted, if a single one did.
    """
    said: dict[str, list[Joined]] = defaultdict(list)
    for one in found:
        said[one.row.id].append(one)
    result = Reviewed()
    for id, verdicts in said.items():
        votes: dict[str, Counter[bool]] = defaultdict(Counter)
        for one in verdicts:
            labels = _labels(one)
            result.left_out.update([] if labels else ["it names no category, and not exactly one acted"])
            for category, label in labels.items():
                votes[category][label] += 1
        settled = {name: vote[True] > vote[False] for name, vote in votes.items() if vote[True] != vote[False]}
        result.left_out.update(["reviewers differ, as many on one side as on the other"] * (len(settled) < len(votes)))
        if settled:
            row = verdicts[0].row
            result.labels[id] = settled
            result.lines.append(row.value)
            result.acted += row.decision["action"] != "allow"
    return result


def _labels(one: Joined) -> Mapping[str, bool]:
    decision = one.row.decision
    if one.right == "allow":
        return dict.fromkeys((path for scored in decision["scores"] for path in _line(scored)), False)
    named = one.said.category if isinstance(one.said, ReviewDocument) else None
    acting = {reason["category"] for reason in decision["reasons"] if reason["action"] == decision["action"]}
    if named is None and len(acting) == 1:
        (named,) = acting
    return {} if named is None else dict.fromkeys(_line(named), True)


def _line(path: str) -> Iterator[str]:
    """A category and those above it, up to the top."""
    while path:
        yield path
        path = path.rpartition("/")[0]
