"""
Whether it treats groups alike: subgroup, BPSN and BNSP AUC, gaps in false positives, and counterfactual swaps.

The three AUCs are those of Borkan et al. (2019), "Nuanced Metrics for Measuring Unintended Bias", WWW companion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from worker.core.shares import Share
from worker.quality.figures import Figure, Scores, Truth, auroc


def by_group(groups: Sequence[str | None], truth: Truth, scores: Scores, acted: Truth) -> dict[str, Figure]:
    """
    For each group, worst false-positive gap first.

    subgroup_auc: within the group. bpsn_auc: violations of the rest against harmless texts of the group (low: the group
    is taken for harm). bnsp_auc: harmless texts of the rest against violations of the group (low: harm against the
    group is missed). false_positive_gap: the group's false-positive rate less that of all grouped rows.
    """
    named = np.array([group or "" for group in groups])
    grouped = named != ""
    overall = _false_positives(truth, acted, grouped).value
    found: dict[str, Figure] = {}
    for group in sorted(set(named[grouped].tolist())):
        ours = named == group
        rest = grouped & ~ours
        wrong = _false_positives(truth, acted, ours)
        found[group] = {
            "rows": int(ours.sum()),
            "false_positive_rate": wrong.as_json(),
            "false_positive_gap": wrong.value - overall if wrong.of else None,
            "subgroup_auc": _auc(truth, scores, ours),
            "bpsn_auc": _auc(truth, scores, (rest & truth) | (ours & ~truth)),
            "bnsp_auc": _auc(truth, scores, (rest & ~truth) | (ours & truth)),
        }
    return dict(sorted(found.items(), key=lambda item: -(item[1]["false_positive_gap"] or 0.0)))


def swaps(pairs: Sequence[str | None], scores: Scores, acted: Truth) -> Figure | None:
    """
    How far apart the scores of one sentence about different groups are; None without such sentences.

    spread: highest less lowest score of a pair: mean, 95th percentile, largest. decided_apart: the share of pairs in
    which some are acted on and others not.
    """
    members: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        if pair is not None:
            members.setdefault(pair, []).append(i)
    told = [np.array(rows) for rows in members.values() if len(rows) > 1]
    if not told:
        return None
    spreads = np.array([float(np.ptp(scores[rows])) for rows in told])
    apart = sum(bool(acted[rows].any()) and not bool(acted[rows].all()) for rows in told)
    return {
        "pairs": len(told),
        "spread": {
            "mean": float(spreads.mean()),
            "p95": float(np.quantile(spreads, 0.95)),
            "largest": float(spreads.max()),
        },
        "decided_apart": Share(apart, len(told)).as_json(),
    }


def worst(groups: dict[str, Figure]) -> dict[str, Any] | None:
    """The worst group by each figure: what a release is held to, since a mean hides it. None without groups."""
    if not groups:
        return None
    gap = max(groups, key=lambda name: groups[name]["false_positive_gap"] or 0.0)
    found: dict[str, Any] = {"false_positive_gap": {"group": gap, "value": groups[gap]["false_positive_gap"] or 0.0}}
    for figure in ("subgroup_auc", "bpsn_auc", "bnsp_auc"):
        known = {name: one[figure]["value"] for name, one in groups.items() if one[figure] is not None}
        if known:
            lowest = min(known, key=known.__getitem__)
            found[figure] = {"group": lowest, "value": known[lowest]}
    return found


def _auc(truth: Truth, scores: Scores, chosen: Truth) -> Figure | None:
    return auroc(truth[chosen], scores[chosen])


def _false_positives(truth: Truth, acted: Truth, chosen: Truth) -> Share:
    harmless = chosen & ~truth
    return Share(int((harmless & acted).sum()), int(harmless.sum()))
