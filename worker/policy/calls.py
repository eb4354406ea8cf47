"""A policy's `calls`: its rules for streams, and the tree as it stands a margin below its thresholds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from worker.core.streams import CallRules
from worker.core.views import Floats
from worker.policy.evaluate import Judge, Level, triggers
from worker.policy.resolve import Resolved

_LEAST = 0.5  # of a threshold, whatever the margin: else a low one would be backed by any score


def call_rules(resolved: Resolved) -> CallRules:
    """
    The rules, with what the policy leaves out at its default.

    Raises:
        PolicyRejected: values that are sound by themselves and make no sense together.
    """
    written = resolved.document.calls
    rules = CallRules() if written is None else CallRules(**written.model_dump(exclude_none=True))
    said = resolved.tree.get("calls") or {}
    if rules.agree > rules.of:
        reason = f"`agree` {rules.agree} of the last `of` {rules.of} windows can never be: lower it, or raise `of`"
        raise resolved.reject(reason, ("calls", "agree" if "agree" in said else "of"))
    hops = rules.window_s / rules.hop_s
    if rules.hop_s > rules.window_s or abs(hops - round(hops)) > 1e-6:
        reason = f"`window_s` {rules.window_s:g} is no whole number of hops of {rules.hop_s:g} s"
        raise resolved.reject(reason, ("calls", "hop_s" if "hop_s" in said else "window_s"))
    return rules


def below(judge: Judge, margin: float, tree: tuple[Level, ...]) -> Judge:
    """The judge with every threshold `margin` lower, though never below half of what it was."""
    arrays = judge.arrays
    lower = replace(arrays, flag=_lower(arrays.flag, margin), block=_lower(arrays.block, margin))
    return replace(judge, arrays=lower, trigger=triggers(lower, tree))


def _lower(thresholds: Floats, margin: float) -> Floats:
    lowered: Floats = np.maximum(thresholds - np.float32(margin), thresholds * np.float32(_LEAST))
    return lowered
