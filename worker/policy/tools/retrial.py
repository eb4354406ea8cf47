"""Stored decisions taken again under another policy: from scores, hits and context alone, as deciding live would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from worker.core.decisions import Action, Findings, Hit, Verdict, fall_back
from worker.core.events import Degradation, PartType
from worker.core.views import Evidence, Floats
from worker.policy.adopt import own_hits
from worker.policy.compile import CompiledPolicy, decide_each
from worker.policy.evaluate import decide
from worker.policy.tools.answerable import Answerable, compare, missing_fields

_TYPES = {kind.label: int(kind) for kind in PartType}
_ALLOW = Verdict(Action.ALLOW)


@dataclass(slots=True)
class Retried:
    """
    One decision under the other policy.

    action: after `otherwise`; None where the log cannot answer. at_least: True when the action may be stricter still.
    missing: what the log lacks, in words, for `at_least` and None.
    """

    action: Action | None
    verdict: Verdict = _ALLOW
    at_least: bool = False
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Waiting:
    """A decision whose scores are being gathered."""

    place: int
    decision: Mapping[str, Any]
    holds: Answerable
    findings: Findings
    lacking: Sequence[str] = ()  # fields that the policy's conditions read and the decision does not have


@dataclass(slots=True)
class _Scores:
    """Scores of one layout: which categories, of which type of part."""

    columns: Sequence[int]
    kept: Sequence[int] | None  # places of the row's values that hold; None: all
    kind: int
    rows: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


class Retrial:
    """
    Decides stored decisions again under `policy`.

    Args:
        known: policies that may have decided them, by digest: what is not among them can be taken again only when
            the fingerprint of its basis is the same.
    """

    def __init__(self, policy: CompiledPolicy, known: Mapping[str, CompiledPolicy]) -> None:
        self._policy, self._known = policy, known
        self._compared: dict[tuple[str, str], Answerable] = {}

    def decide(self, decisions: Sequence[Mapping[str, Any]]) -> list[Retried]:
        """Each decision.v1 under the policy, in order."""
        answers: list[Retried] = []
        waiting: list[_Waiting] = []
        for place, decision in enumerate(decisions):
            holds = self._holds(decision["policy"])
            answer = self._at_once(decision, holds)
            answers.append(answer if answer is not None else _PENDING)
            if answer is None:
                waiting.append(self._gather(place, decision, holds))
        self._score(waiting)
        whole = [one for one in waiting if not one.lacking]
        verdicts = decide_each([self._policy] * len(whole), [one.findings for one in whole])
        for one, verdict in zip(whole, verdicts, strict=True):
            answers[one.place] = self._answer(one, verdict)
        for one in waiting:
            if one.lacking:
                answers[one.place] = self._in_every_way(one)
        return answers

    def _in_every_way(self, one: _Waiting) -> Retried:
        """Fields that conditions read are not stored: an answer only where every outcome of those comes to the same."""
        lacking = Retried(None, missing=tuple(f"{name} is not stored" for name in one.lacking))
        judges = self._policy.judges(one.findings, one.lacking)
        verdicts = decide(judges, [one.findings] * len(judges))
        # Notes say which condition failed, which is not known here.
        if not verdicts or any(replace(verdict, notes=()) != replace(verdicts[0], notes=()) for verdict in verdicts):
            return lacking
        answer = self._answer(one, verdicts[0])
        return lacking if answer.at_least else answer

    def scores(self, decisions: Sequence[Mapping[str, Any]]) -> Floats:
        """float32 [N, 3, C]: own scores as they stand in decisions, NaN where the log has none that holds."""
        return self._score([self._gather(i, said, self._holds(said["policy"])) for i, said in enumerate(decisions)])

    def _at_once(self, decision: Mapping[str, Any], holds: Answerable) -> Retried | None:
        """What needs no deciding: nothing was found, or what cannot be answered at all."""
        of_call = (decision.get("call") or {}).get("kind") == "call"
        if of_call or any(override["cause"] != "degraded" for override in decision["overrides"]):
            return Retried(None, missing=("call state, lateness or a breaker changed the action",))
        if not (holds.whole or _unaffected(decision, holds)):
            return Retried(None, missing=tuple(_affected(decision, holds)))
        if decision["scores"] or decision["hits"] or decision["degraded"] or "scores_by_type" in decision:
            return None
        return _NOTHING if not (holds.unknown or holds.unknown_lists) else None

    def _gather(self, place: int, decision: Mapping[str, Any], holds: Answerable) -> _Waiting:
        found = Findings(decision["context"], frozenset(decision["types"]), decision.get("stream"))
        if decision["hits"]:
            found.hits = own_hits([_hit(hit) for hit in decision["hits"]], self._policy.lists)
        if decision["degraded"]:
            found.degraded = [Degradation(d["code"], d["rule"], d["where"], d["reason"]) for d in decision["degraded"]]
        lacking: Sequence[str] = ()
        if self._policy.context_fields or self._policy.stream_fields:
            lacking = missing_fields(decision["context"], decision.get("stream"), self._policy)
        return _Waiting(place, decision, holds, found, lacking)

    def _holds(self, about: Mapping[str, str]) -> Answerable:
        key = about["digest"], about.get("basis", "")
        holds = self._compared.get(key)
        if holds is None:
            holds = self._compared[key] = compare(self._known.get(key[0]), key[1], self._policy)
        return holds

    def _score(self, waiting: Sequence[_Waiting]) -> Floats:
        """Fill in the scores of all at once: float32 [N, 3, C], NaN where nothing scored or nothing holds."""
        table = np.full((len(waiting), len(PartType), len(self._policy.categories)), np.nan, np.float32)
        layouts: dict[tuple[Any, ...], _Scores] = {}
        for row, one in enumerate(waiting):
            decision = one.decision
            by_type = decision.get("scores_by_type")
            if by_type is None:
                if not decision["scores"] or one.holds.models == "unasked":
                    continue  # no model ran, or none would
                by_type = {decision["types"][0]: decision["scores"]}
            one.findings.scores = table[row]
            for kind, scores in by_type.items():
                key = id(one.holds), kind, *scores
                layout = layouts.get(key)
                if layout is None:
                    layout = layouts[key] = _layout(scores, one.holds, _TYPES[kind])
                layout.rows.append(row)
                layout.values.append(list(scores.values()))
        for layout in layouts.values():
            values: Floats = np.array(layout.values, np.float32)
            kept = values if layout.kept is None else values[:, layout.kept]
            table[np.array(layout.rows)[:, None], layout.kind, layout.columns] = kept
        return table

    def _answer(self, one: _Waiting, verdict: Verdict) -> Retried:
        found, holds = one.findings, one.holds
        action, _ = fall_back(verdict.action, (d.rule for d in found.degraded), self._policy.otherwise)
        if not (holds.unknown or holds.unknown_lists) or action is Action.BLOCK:
            return Retried(action, verdict)
        missing = tuple(self._open(one))
        return Retried(action, verdict, bool(missing), missing)

    def _open(self, one: _Waiting) -> Iterable[str]:
        """Scores and hits that the log does not have and that could make the action stricter."""
        parts = [_TYPES[name] for name in one.decision["types"]]
        if one.holds.unknown:
            probe = Findings(one.findings.context, one.findings.part_types, one.findings.stream)
            probe.scores = np.zeros((len(PartType), len(self._policy.categories)), np.float32)
            judges = self._policy.judges(probe, one.lacking)  # one for every way the conditions may come out
            for column in one.holds.unknown:
                if any(np.isfinite(judge.trigger[parts, column]).any() for judge in judges):
                    yield f"category {self._policy.categories[column]} was never scored so"
        for name in one.holds.unknown_lists:
            yield f"list {name} was never searched so"


_PENDING = Retried(None)
_NOTHING = Retried(Action.ALLOW)


def _layout(scores: Mapping[str, float], holds: Answerable, kind: int) -> _Scores:
    columns = [holds.columns.get(name, -1) for name in scores]
    kept = [i for i, column in enumerate(columns) if column >= 0]
    return _Scores([columns[i] for i in kept], None if len(kept) == len(columns) else kept, kind)


def _unaffected(decision: Mapping[str, Any], holds: Answerable) -> bool:
    """Whether limits and models that differ cannot have mattered to this decision."""
    return next(iter(_affected(decision, holds)), None) is None


def _affected(decision: Mapping[str, Any], holds: Answerable) -> Iterable[str]:
    if holds.stranger:
        policy = decision["policy"]
        yield f"policy {policy['id']} {policy['version']} is not at hand, and what it looked for differs"
        return
    degraded = decision["degraded"] or ()
    if holds.limits == "tighter" or (holds.limits == "looser" and any(d["rule"] == "too_long" for d in degraded)):
        yield "limits differ"
    media = any(name != "text" for name in decision["types"])
    if holds.models == "changed" or (holds.models == "unasked" and (degraded or media)):
        yield "the text models look at other events"
    if holds.detectors_differ and media:
        yield "other detectors look at pictures and sound"


def _hit(said: Mapping[str, Any]) -> Hit:
    kind, action = PartType(_TYPES[said["type"]]), Action.parse(said["action"])
    evidence, search = _evidence(said.get("evidence") or {}), said.get("search", "")
    return Hit(said["list_digest"], said["list"], said["category"], action, kind, said["view"], evidence, search)


def _evidence(said: Mapping[str, Any]) -> Evidence:
    def numbers(name: str) -> Any:
        return tuple(said[name]) if said.get(name) is not None else None

    return Evidence(numbers("span"), numbers("box"), numbers("t"), said.get("frame"), said.get("speaker"))
