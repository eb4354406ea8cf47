"""What candidates said beside the live policy, summed up from a log of decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from worker.core.shares import Share
from worker.policy.tenants import CandidateSpec
from worker.policy.tools.decisions_log import Block, decision, lines

Side = Literal["both", "only live", "only candidate"]
SIDES: tuple[Side, ...] = ("both", "only live", "only candidate")
_STRICTNESS = {"allow": 0, "flag": 1, "block": 2}
MOST_EXAMPLES = 5


@dataclass(slots=True)
class Summary:
    """
    One version of a candidate beside what was live. Its share is drawn by a hash, so it is a fair sample.

    actions: pairs live, candidate. acts: who does anything but allow. nodes: the same by category. failed: no outcome.
    """

    policy: str
    version: str
    decisions: int = 0
    failed: int = 0
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    acts: Counter[Side] = field(default_factory=Counter)
    nodes: Counter[tuple[str, Side]] = field(default_factory=Counter)
    examples: dict[tuple[str, ...], list[str]] = field(default_factory=lambda: defaultdict(list))
    tenants: Counter[str] = field(default_factory=Counter)
    days: set[str] = field(default_factory=set)

    def count(self, said: Mapping[str, Any]) -> None:
        """Add one decision that has a candidate."""
        tried, live, event = said["candidate"], said["action"], said["event_id"]
        self.tenants[said["tenant"]] += 1
        self.days.add(said["time"][:10])
        if tried["action"] is None:
            self.failed += 1
            return
        self.decisions += 1
        self.actions[live, tried["action"]] += 1
        if live != tried["action"]:
            self._example((live, tried["action"]), event)
        if (side := _side(live != "allow", tried["action"] != "allow")) is not None:
            self.acts[side] += 1
        ours = {reason["category"] for reason in said["reasons"]}
        theirs = {reason["category"] for reason in tried["reasons"]}
        for category in ours | theirs:
            which = _side(category in ours, category in theirs)
            assert which is not None
            self.nodes[category, which] += 1
            if which != "both":
                self._example((category, which), event)

    def _example(self, key: tuple[str, ...], event: str) -> None:
        if len(self.examples[key]) < MOST_EXAMPLES:
            self.examples[key].append(event)

    @property
    def agree(self) -> Share:
        """Decisions with the same action under both."""
        return Share(sum(n for (live, tried), n in self.actions.items() if live == tried), self.decisions)

    def only(self, side: Side) -> Share:
        """Decisions in which that side acts: flags or blocks."""
        return Share(self.acts[side], self.decisions)

    def compared(self, *, stricter: bool) -> Share:
        """Decisions in which the candidate is stricter, or looser."""
        sign = 1 if stricter else -1
        pairs = self.actions.items()
        return Share(
            sum(n for (live, own), n in pairs if sign * (_STRICTNESS[own] - _STRICTNESS[live]) > 0), self.decisions
        )

    def categories(self) -> list[str]:
        """Categories that either side acted on, those that differ most first."""
        differ: Counter[str] = Counter()
        for (category, side), count in self.nodes.items():
            differ[category] += count if side != "both" else 0
        return [category for category, _ in differ.most_common()]

    def as_json(self) -> dict[str, Any]:
        """The whole of it."""
        return {
            "policy": self.policy,
            "version": self.version,
            "decisions": self.decisions,
            "failed": self.failed,
            "days": len(self.days),
            "tenants": dict(self.tenants.most_common()),
            "agree": self.agree.as_json(),
            "stricter": self.compared(stricter=True).as_json(),
            "looser": self.compared(stricter=False).as_json(),
            "acts": {side: self.only(side).as_json() for side in SIDES},
            "actions": [
                {"live": live, "candidate": own, **Share(n, self.decisions).as_json()}
                | ({"examples": self.examples[live, own]} if live != own else {})
                for (live, own), n in sorted(self.actions.items())
            ],
            "nodes": [
                {"category": category}
                | {side: Share(self.nodes[category, side], self.decisions).as_json() for side in SIDES}
                | {"examples": {side: self.examples[category, side] for side in SIDES[1:]}}
                for category in self.categories()
            ],
        }


def summarise(blocks: Iterable[Block], tenant: str | None = None) -> list[Summary]:
    """A summary for each version of each candidate of the log, the most tried first."""
    found: dict[tuple[str, str], Summary] = {}
    for block in blocks:
        for line in lines(block):
            if b'"candidate":null' in line:
                continue
            said = decision(line)
            if said is None or not said.get("candidate") or (tenant is not None and said["tenant"] != tenant):
                continue
            about = said["candidate"]["policy"]
            key = about["id"], about["digest"]
            if key not in found:
                found[key] = Summary(about["id"], about["version"])
            found[key].count(said)
    return sorted(found.values(), key=lambda one: -one.decisions)


def expiry(spec: CandidateSpec, now: float) -> str:
    """When a candidate ends, in words. `now`: Unix seconds."""
    left = spec.until - datetime.fromtimestamp(now, UTC)
    if left.total_seconds() <= 0:
        return f"ended {spec.until.isoformat()}: take it out of tenants.json, or make it the policy"
    days, hours = left.days, left.seconds // 3600
    return f"ends {spec.until.isoformat()}, in {days} d {hours} h"


def _side(live: bool, candidate: bool) -> Side | None:
    if live and candidate:
        return "both"
    return "only live" if live else "only candidate" if candidate else None


__all__: Sequence[str] = ["SIDES", "Summary", "expiry", "summarise"]
