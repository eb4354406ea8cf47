"""A policy's own cases: what each got, which nodes and actions they reach, and the report that CI reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from worker.core.decisions import Action, Judgement
from worker.policy.conditions import compile_conditions
from worker.policy.document import PolicyTest
from worker.policy.owntests import unmet
from worker.policy.resolve import Resolved
from worker.policy.tools.explain import Explanation, explain
from worker.policy.tools.sites import Situations
from worker.policy.tools.standing import OFF, PARTS, Tree


@dataclass(frozen=True, slots=True)
class CaseResult:
    """
    One case, judged.

    got, category: the action, and the node that acted first. margin: how far the score that decides is over its
    threshold, or under the nearest one when nothing acted; None where a list decided or nothing was scored. problem:
    what it got instead of what it expects; None when it holds.
    """

    policy: str
    name: str
    expect: str
    expect_category: str | None
    got: Action
    category: str | None
    margin: float | None
    problem: str | None
    reached: frozenset[tuple[str, str]]  # (category, action) that acted, and allow for the category it names

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "policy": self.policy,
            "name": self.name,
            "expect": self.expect,
            "expect_category": self.expect_category,
            "got": self.got.label,
            "category": self.category,
            "margin": self.margin,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every (category, action) that a node can give, and those that a case reached."""

    possible: tuple[tuple[str, str], ...]
    reached: frozenset[tuple[str, str]]

    @property
    def missing(self) -> list[tuple[str, str]]:
        return [pair for pair in self.possible if pair not in self.reached]

    @property
    def share(self) -> float:
        """0 to 1; 1 for a policy in which nothing can act."""
        return 1.0 if not self.possible else 1 - len(self.missing) / len(self.possible)


def cases_of(resolved: Resolved) -> list[PolicyTest]:
    """The cases that stand in the policy's own file: those of its parents are theirs, as at a reload."""
    return resolved.sources[resolved.id].document.tests or []


def results(resolved: Resolved, tree: Tree, judged: Sequence[Judgement]) -> Iterator[CaseResult]:
    """
    What each case got.

    judged: the answers to `cases_of(resolved)`, in order. tree: the policy's, with its operating points.
    """
    conditions = compile_conditions(tree.whens, resolved)
    for case, found in zip(cases_of(resolved), judged, strict=True):
        why = explain(tree, conditions, found.findings, found.verdict)
        reasons = found.verdict.reasons
        failed = next((d.reason for d in found.findings.degraded if d.code == "model_failed"), None)
        problem = f"it could not be judged: {failed}" if failed else unmet(case, found)
        reached = {(reason.category, reason.action.label) for reason in reasons}
        if case.category is not None and not any(reason.category == case.category for reason in reasons):
            reached.add((case.category, "allow"))
        yield CaseResult(
            resolved.id,
            case.name,
            case.expect,
            case.category,
            found.verdict.action,
            reasons[0].category if reasons else _nearest(why),
            None if reasons and reasons[0].list else _margin(why, reasons[0].category if reasons else None),
            problem,
            frozenset(reached),
        )


def _nearest(why: Explanation) -> str | None:
    """The node that came nearest to acting."""
    waiting = [node for node in why.nodes if node.margin is not None and node.mode == "enforce"]
    return max(waiting, key=lambda node: node.margin or -math.inf).path if waiting else None


def _margin(why: Explanation, category: str | None) -> float | None:
    """Of the acting node, else of the node that came nearest."""
    wanted = category or _nearest(why)
    margins = [node.margin for node in why.nodes if node.path == wanted and node.margin is not None]
    return max(margins, default=None)


def coverage(tree: Tree, found: Sequence[CaseResult]) -> Coverage:
    """What the cases of one policy reach of what its nodes can do, under any outcome of its conditions."""
    situations = Situations(tree)
    lists = (*(tree.resolved.document.terms or ()), *(tree.resolved.document.images or ()))
    listed = {(spec.category, spec.action) for spec in lists}
    possible: list[tuple[str, str]] = []
    for index, node in enumerate(tree.nodes):
        acts = _acts(tree, situations, index, {action for path, action in listed if path == node.path})
        possible += [
            (node.path, action) for action in ("allow", "flag", "block") if acts and action in {"allow", *acts}
        ]
    return Coverage(tuple(possible), frozenset(pair for result in found for pair in result.reached))


def _acts(tree: Tree, situations: Situations, index: int, by_lists: set[str]) -> set[str]:
    """The actions that a node can give an event."""
    numbers = tree.touching(tree.ancestors(index))
    acts: set[str] = set()
    for said in situations.said(numbers) or [{}]:
        own = tree.own_under(said)
        for part in PARTS:
            stand = tree.stand(index, part, own)
            if not stand.enforced:
                continue
            acts |= by_lists
            if stand.mode == OFF or not _scored_below(tree, index):
                continue
            acts |= {"block"} if stand.block <= 1 else set()
            acts |= {"flag"} if stand.flag <= 1 and stand.flag < stand.block else set()
    return acts


def _scored_below(tree: Tree, index: int) -> bool:
    return any(tree.scored(node) for node in tree.below(index))


def junit(found: Sequence[CaseResult]) -> bytes:
    """The results as JUnit XML: a suite for each policy."""
    root = ElementTree.Element(
        "testsuites", tests=str(len(found)), failures=str(sum(r.problem is not None for r in found))
    )
    for policy in dict.fromkeys(result.policy for result in found):
        mine = [result for result in found if result.policy == policy]
        failures = sum(result.problem is not None for result in mine)
        suite = ElementTree.SubElement(root, "testsuite", name=policy, tests=str(len(mine)), failures=str(failures))
        for result in mine:
            case = ElementTree.SubElement(suite, "testcase", classname=policy, name=result.name)
            if result.problem is not None:
                message = f"expects {_expected(result)} and got {result.problem}"
                ElementTree.SubElement(case, "failure", message=message)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _expected(result: CaseResult) -> str:
    return result.expect + (f" in {result.expect_category}" if result.expect_category else "")
