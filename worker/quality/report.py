"""The report of an evaluation: scored rows in, one JSON document out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.core.errors import ConfigError
from worker.core.policies import OPERATING_POINTS
from worker.core.shares import Share
from worker.core.views import Floats, Thresholds
from worker.quality.fairness import by_group, swaps, worst
from worker.quality.figures import Figure, Scores, Truth, measure
from worker.quality.labelled import ANY, Labelled, digest

VERSION = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy said of one row."""

    scores: Floats | None  # float32 [types, categories], NaN where nothing scored
    acted: bool  # flagged or blocked, `otherwise` included
    named: frozenset[str]  # categories that gave a reason
    degraded: bool = False


def report(
    rows: Sequence[Labelled],
    answers: Sequence[Answer],
    categories: Sequence[str],
    points: Thresholds | None,
    attacks: Mapping[str, tuple[Sequence[Labelled], Sequence[Answer], Sequence[Answer]]],
) -> dict[str, Any]:
    """
    Every figure of an evaluation.

    Args:
        categories: the policy's, in the order of the scores' columns.
        points: operating points as in `ConceptCompiler.points`, for the text row; None when nothing scores.
        attacks: by name, the rows attacked, the answers to them plain and attacked.

    Raises:
        ConfigError: a label is no category of the policy.
    """
    unknown = {name for row in rows for name in row.labels} - set(categories)
    if unknown:
        raise ConfigError(
            f"labels name {', '.join(sorted(unknown))}, and the policy has no such category: "
            "choose the tenant whose policy has it, or take the label out"
        )
    table = np.array([_best(answer, len(categories)) for answer in answers]).reshape(len(answers), -1)
    measured = {ANY: _any(rows, answers, table, points)}
    for column, path in enumerate(categories):
        found = _category(rows, answers, table, points, path, [column, *_below(path, categories)])
        if found is not None:
            measured[path] = found
    known = np.array([row.any is not None for row in rows], np.bool_)
    truth, acted = np.array([bool(row.any) for row in rows], np.bool_), _acted(answers)
    scores = _highest(table)
    groups = by_group([row.group if row.any is not None else None for row in rows], truth, scores, acted)
    return {
        "version": VERSION,
        "rows": len(rows),
        "rows_digest": digest(rows),
        "known": int(known.sum()),
        "degraded": sum(answer.degraded for answer in answers),
        "categories": measured,
        "groups": groups,
        "worst_group": worst(groups),
        "swaps": swaps([row.pair for row in rows], scores, acted),
        "attacks": {name: attack_figures(*found) for name, found in attacks.items()},
        "attacks_together": _together(attacks),
    }


def attack_figures(rows: Sequence[Labelled], plain: Sequence[Answer], hidden: Sequence[Answer]) -> Figure:
    """
    What an attack hides and what it falsely flags.

    success: of the harmful rows caught plain, the share missed attacked. flagged_plain, flagged_attacked: share of the
    harmless rows acted on.
    """
    truth = np.array([bool(row.any) for row in rows], np.bool_)
    before, after = _acted(plain), _acted(hidden)
    caught, harmless = truth & before, ~truth
    return {
        "success": Share(int((caught & ~after).sum()), int(caught.sum())).as_json(),
        "flagged_plain": Share(int((harmless & before).sum()), int(harmless.sum())).as_json(),
        "flagged_attacked": Share(int((harmless & after).sum()), int(harmless.sum())).as_json(),
    }


def _together(attacks: Mapping[str, tuple[Sequence[Labelled], Sequence[Answer], Sequence[Answer]]]) -> Figure | None:
    """Mean and worst success, and how much more attacked harmless text is flagged than plain, over all attacks."""
    if not attacks:
        return None
    each = {name: attack_figures(*found) for name, found in attacks.items()}
    success = {name: one["success"]["share"] for name, one in each.items()}
    hardest = max(success, key=success.__getitem__)
    plain, hidden = (sum(one[key]["count"] for one in each.values()) for key in ("flagged_plain", "flagged_attacked"))
    return {
        "mean_success": sum(success.values()) / len(success),
        "worst_success": {"attack": hardest, "value": success[hardest]},
        "false_flags_ratio": hidden / plain if plain else None,
    }


def _any(rows: Sequence[Labelled], answers: Sequence[Answer], table: Scores, points: Thresholds | None) -> Figure:
    known = np.array([row.any is not None for row in rows], np.bool_)
    truth = np.array([bool(row.any) for row in rows], np.bool_)[known]
    acted = {"policy": _acted(answers)[known]}
    for name, thresholds in _text_points(points):
        acted[name] = _over(table[known], thresholds)
    return measure(truth, _highest(table)[known], acted)


def _category(
    rows: Sequence[Labelled],
    answers: Sequence[Answer],
    table: Scores,
    points: Thresholds | None,
    path: str,
    columns: list[int],
) -> Figure | None:
    """A category's figures, its score the highest of its own and those below it; None when no row is labelled."""
    known = np.array([path in row.labels for row in rows], np.bool_)
    if not known.any():
        return None
    truth = np.array([row.labels.get(path, False) for row in rows], np.bool_)[known]
    inside = table[known][:, columns]
    acts = [any(name == path or name.startswith(f"{path}/") for name in answer.named) for answer in answers]
    acted = {"policy": np.array(acts, np.bool_)[known]}
    for name, thresholds in _text_points(points):
        acted[name] = _over(inside, thresholds[columns])
    return measure(truth, _highest(inside), acted)


def _text_points(points: Thresholds | None) -> list[tuple[str, Scores]]:
    return [] if points is None else [(name, points[i, 0]) for i, name in enumerate(OPERATING_POINTS)]


def _over(table: Scores, thresholds: Scores) -> Truth:
    """bool [n]: rows with some score at or over its threshold; NaN on either side is never over."""
    over: npt.NDArray[np.bool_] = np.nan_to_num(table, nan=-1.0) >= np.nan_to_num(thresholds, nan=2.0)
    return np.array(over.any(axis=1), np.bool_)


def _below(path: str, categories: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(categories) if name.startswith(f"{path}/")]


def _best(answer: Answer, categories: int) -> Scores:
    """float64 [categories]: the highest over types of part; NaN where nothing scored."""
    if answer.scores is None:
        return np.full(categories, np.nan)
    found: Scores = np.fmax.reduce(answer.scores, axis=0).astype(np.float64)
    return found


def _highest(table: Scores) -> Scores:
    """float64 [n]: the highest of each row; 0 where nothing scored."""
    found: Scores = np.nan_to_num(table, nan=0.0).max(axis=1, initial=0.0)
    return found


def _acted(answers: Sequence[Answer]) -> Truth:
    return np.array([answer.acted for answer in answers], np.bool_)
