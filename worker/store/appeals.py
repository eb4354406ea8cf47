"""Appeals and reviews joined to their decisions: how often a node, a model or a language is overturned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.core.schema_people import AppealDocument, ReviewDocument
from worker.core.shares import Share
from worker.store.reading import DecisionStore
from worker.store.row import Row


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a decision: `right` is the action that it should have had, by the last who said so."""

    row: Row
    said: AppealDocument | ReviewDocument

    @property
    def overturned(self) -> bool:
        """True when people found otherwise."""
        if isinstance(self.said, AppealDocument):
            return self.said.outcome == "upheld"
        return str(self.row.decision["action"]) != self.said.action

    @property
    def right(self) -> str:
        """What the decision should have been: allow, flag or block."""
        if isinstance(self.said, AppealDocument) and self.said.outcome == "rejected":
            return str(self.row.decision["action"])
        return self.said.action


def joined(store: DecisionStore, kind: str, tenant: str | None = None) -> Iterator[Joined]:
    """
    The last appeal (or review by each reviewer) of every decision that is still kept, oldest first.

    kind: `appeal` or `review`.
    """
    model = AppealDocument if kind == "appeal" else ReviewDocument
    last: dict[tuple[str, str], AppealDocument | ReviewDocument] = {}
    for remark in store.remarks(kind):
        if tenant is None or remark.tenant == tenant:
            said = model.model_validate_json(remark.value)
            last[said.decision, getattr(said, "reviewer", "")] = said
    for (decision, _), said in last.items():
        row = store.get(decision)
        if row is not None and row.id == decision and row.tenant == said.tenant:
            yield Joined(row, said)


@dataclass(frozen=True, slots=True)
class Overturned:
    """Shares of decisions that were overturned, of those that somebody looked at."""

    all: Share
    by: Mapping[str, Mapping[str, Share]]  # "node", "model", "language", each by name

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the console."""
        by = {what: {name: share.as_json() for name, share in shares.items()} for what, shares in self.by.items()}
        return {"all": self.all.as_json(), **by}


def overturned(found: Iterable[Joined]) -> Overturned:
    """
    By node that asked for the action, by model that scored it, and by language of the content.

    A decision counts once for each of its nodes and models; one without reasons under `none`.
    """
    of: dict[str, Counter[str]] = {"all": Counter(), "node": Counter(), "model": Counter(), "language": Counter()}
    wrong: dict[str, Counter[str]] = {what: Counter() for what in of}
    for one in found:
        decision = one.row.decision
        acting = [reason for reason in decision["reasons"] if reason["action"] == decision["action"]]
        language = getattr(one.said, "language", None) or (decision.get("context") or {}).get("language")
        names = {
            "all": {""},
            "node": {reason["category"] for reason in acting} or {"none"},
            "model": {reason.get("model") or reason.get("list") or "none" for reason in acting} or {"none"},
            "language": {language or "not said"},
        }
        for what, some in names.items():
            of[what].update(some)
            wrong[what].update(some if one.overturned else ())
    shares = {what: {name: Share(wrong[what][name], of[what][name]) for name in sorted(of[what])} for what in of}
    return Overturned(shares.pop("all").get("", Share(0, 0)), shares)
