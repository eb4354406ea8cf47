"""What changes when decisions are taken again: counts that add up over blocks and processes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.core.shares import Share
from worker.policy.tools.retrial import Retried

MOST_EXAMPLES = 5
ACTIONS = ("allow", "flag", "block")
NOTHING = "allow"  # what a node does that gives no reason

Change = tuple[str, str]  # action before, action after
NodeChange = tuple[str, str, str]  # category, action before, action after


@dataclass(slots=True)
class Tally:
    """
    Decisions before and after.

    actions: those answered exactly. open: those whose action may be stricter still, by the least it is.
    unanswered: decisions without an answer. missing: what the log lacks, in words, for both of these.
    nodes: by category, the actions of enforced nodes, of those answered exactly. examples: event ids, by change.
    days: action by day before and after. policies, models: who decided and scored.
    """

    decisions: int = 0
    no_decisions: int = 0
    elsewhere: int = 0
    unanswered: int = 0
    actions: Counter[Change] = field(default_factory=Counter)
    open: Counter[Change] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    nodes: Counter[NodeChange] = field(default_factory=Counter)
    examples: dict[tuple[str, ...], list[str]] = field(default_factory=lambda: defaultdict(list))
    days: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    policies: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, decision: Mapping[str, Any], retried: Retried) -> None:
        """Add one decision and its answer."""
        if retried.action is None:
            self.unanswerable(retried.missing)
            return
        self.decisions += 1
        before, after = decision["action"], retried.action.label
        day = decision["time"][:10]
        self.days[day, "before", before] += 1
        self.days[day, "after", after] += 1
        if retried.at_least:
            self.open[before, after] += 1
            self.missing.update(retried.missing)
            return
        self.actions[before, after] += 1
        if before != after:
            self._example((before, after), decision)
        if decision["reasons"] or retried.verdict.reasons:
            self._count_nodes(decision, retried)

    def unanswerable(self, missing: Sequence[str]) -> None:
        """Add one decision without an answer."""
        self.decisions += 1
        self.unanswered += 1
        self.missing.update(missing)

    def _count_nodes(self, decision: Mapping[str, Any], retried: Retried) -> None:
        before = {r["category"]: r["action"] for r in reversed(decision["reasons"])}  # the strictest stands first
        after = {r.category: r.action.label for r in reversed(retried.verdict.reasons)}
        if before != after:
            for category in before.keys() | after.keys():
                change = category, before.get(category, NOTHING), after.get(category, NOTHING)
                if change[1] != change[2]:
                    self.nodes[change] += 1
                    self._example(change, decision)

    def _example(self, key: tuple[str, ...], decision: Mapping[str, Any]) -> None:
        kept = self.examples[key]
        if len(kept) < MOST_EXAMPLES:
            kept.append(decision["event_id"])

    def add(self, other: Tally) -> None:
        """Add what another block came to."""
        self.decisions += other.decisions
        self.no_decisions += other.no_decisions
        self.elsewhere += other.elsewhere
        self.unanswered += other.unanswered
        for name in ("actions", "open", "missing", "nodes", "days", "policies", "models"):
            getattr(self, name).update(getattr(other, name))
        for key, ids in other.examples.items():
            self.examples[key] = (self.examples[key] + ids)[:MOST_EXAMPLES]

    @property
    def answered(self) -> int:
        """Decisions whose action is known exactly."""
        return self.actions.total()

    @property
    def changed(self) -> Share:
        """Those of them whose action changes."""
        return Share(sum(n for (before, after), n in self.actions.items() if before != after), self.answered)

    def share(self, before: str, after: str) -> Share:
        """How many of all that were answered go from one action to another."""
        return Share(self.actions[before, after], self.answered)

    def a_day(self, when: str, action: str) -> float:
        """Decisions with `action` on an average day of the log, `when` "before" or "after"."""
        total = sum(n for (_, whose, what), n in self.days.items() if whose == when and what == action)
        return total / max(len(self.dates), 1)

    @property
    def dates(self) -> Sequence[str]:
        """The days of the log."""
        return sorted({day for day, _, _ in self.days})

    def as_json(self) -> dict[str, Any]:
        """The whole of it."""
        return {
            "decisions": self.decisions,
            "not_decisions": self.no_decisions,
            "other_tenants": self.elsewhere,
            "answered": self.answered,
            "open": self.open.total(),
            "unanswered": self.unanswered,
            "missing": dict(self.missing.most_common()),
            "changed": self.changed.as_json(),
            "actions": [
                {"from": before, "to": after, **self.share(before, after).as_json()}
                | ({"examples": self.examples[before, after]} if before != after else {})
                for before, after in sorted(self.actions, key=_strictness)
            ],
            "at_least": [{"from": b, "to_at_least": a, "count": n} for (b, a), n in sorted(self.open.items())],
            "nodes": [
                {
                    "category": c,
                    "from": b,
                    "to": a,
                    **Share(n, self.answered).as_json(),
                    "examples": self.examples[c, b, a],
                }
                for (c, b, a), n in self.nodes.most_common()
            ],
            "a_day": {w: {a: round(self.a_day(w, a), 1) for a in ACTIONS} for w in ("before", "after")},
            "days": len(self.dates),
            "policies": [{"id": i, "version": v, "count": n} for (i, v), n in self.policies.most_common()],
            "models": [{"name": m, "digest": d, "count": n} for (m, d), n in self.models.most_common()],
        }


def _strictness(change: Change) -> tuple[int, int]:
    return ACTIONS.index(change[0]), ACTIONS.index(change[1])
