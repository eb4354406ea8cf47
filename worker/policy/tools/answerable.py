"""What a stored decision can answer under another policy, and what it cannot: worked out once for each pair of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from worker.policy.basis import Basis, fingerprint
from worker.policy.compile import Ceilings, CompiledPolicy

_NEVER_ASKED = fingerprint([None, [], [], []])  # a category without words or detectors: nothing scores it


@dataclass(frozen=True, slots=True)
class Answerable:
    """
    How decisions of one policy can be taken again under another.

    columns: by category whose stored score holds, its column. unknown: columns whose score the log does not have.
    unknown_lists: names of its lists that were not searched with. limits: "same", "looser", "tighter" or "unknown".
    models: whether other kinds of model would look: "same", "unasked" (the text models no more) or "changed".
    stranger: the decision's policy is not at hand and rests on something else, so nothing is known to hold.
    """

    columns: Mapping[str, int]
    unknown: tuple[int, ...] = ()
    unknown_lists: tuple[str, ...] = ()
    limits: str = "same"
    models: str = "same"
    detectors_differ: bool = False
    stranger: bool = False

    @property
    def whole(self) -> bool:
        """True when every decision can be taken again exactly, as far as the two policies go."""
        same = self.limits == "same" and self.models == "same" and not self.detectors_differ
        return same and not (self.unknown or self.unknown_lists or self.stranger)


def compare(was: CompiledPolicy | None, was_basis: str, now: CompiledPolicy) -> Answerable:
    """What holds of decisions of `was` (None: only the fingerprint of its basis is known) under `now`."""
    columns = {path: i for i, path in enumerate(now.categories)}
    if was_basis == now.basis.digest:
        return Answerable(columns)
    if was is None:
        return Answerable({}, tuple(columns.values()), tuple(x.name for x in now.lists), "unknown", stranger=True)
    before, after = was.basis, now.basis
    asked = {path for path, said in after.concepts.items() if said != _NEVER_ASKED}
    holds = {path for path in asked if before.concepts.get(path) == after.concepts[path]}
    return Answerable(
        {path: i for path, i in columns.items() if path in holds},
        tuple(i for path, i in columns.items() if path in asked - holds),
        tuple(listed.name for listed in now.lists if listed.search not in before.searches),
        _limits(was.limits, now.limits),
        _models(before, after),
        before.detectors != after.detectors,
    )


def _limits(before: Ceilings, after: Ceilings) -> str:
    names = [field.name for field in fields(Ceilings) if field.name not in ("events_per_s", "weight")]
    pairs = [(getattr(before, name), getattr(after, name)) for name in names]
    if all(old == new for old, new in pairs):
        return "same"
    return "looser" if all(old <= new for old, new in pairs) else "tighter"


def _models(before: Basis, after: Basis) -> str:
    if before.has_words == after.has_words:
        return "same"
    return "unasked" if before.has_words else "changed"


def missing_fields(stored: Mapping[str, Any], stream: Mapping[str, Any] | None, policy: CompiledPolicy) -> list[str]:
    """The fields that `policy`'s conditions read and a decision does not have."""
    missing = []
    for field in policy.context_fields:
        name, _, own = field.partition(".")
        within = stored if not own else stored.get(name) or {}
        if (own or name) not in within:
            missing.append(f"context.{field}")
    missing += [f"stream.{name}" for name in policy.stream_fields if name not in (stream or {})]
    return missing
