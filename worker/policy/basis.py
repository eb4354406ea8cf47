"""What a policy's findings rest on, beside its thresholds: two policies with one basis find the same in every event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from worker.core.ports import CategorySpec


@dataclass(frozen=True, slots=True)
class Basis:
    """
    Fingerprints, each 16 hexadecimal digits, of what was asked of models and lists.

    A decision holds `digest`; with the policy at hand, the rest says which part of a changed one still holds.
    """

    concepts: Mapping[str, str]  # by category path: definition, examples and detectors
    detectors: frozenset[str]  # those that any category names
    has_words: bool  # whether a text model has anything to look for
    searches: tuple[str, ...]  # lists with their ways of matching, in order
    limits: str  # all but the rate and the weight
    digest: str


def basis(concepts: Sequence[CategorySpec], searches: Sequence[str], limits: Any) -> Basis:
    """The basis of a policy. `limits`: the dataclass with its ceilings."""
    found = {c.path: _of_words(c.definition, *map(tuple, (c.violating, c.allowed, c.detectors))) for c in concepts}
    said = {name: most for name, most in asdict(limits).items() if name not in ("events_per_s", "weight")}
    ceilings = fingerprint(said)
    return Basis(
        found,
        frozenset(detector for c in concepts for detector in c.detectors),
        any(c.definition or c.violating for c in concepts),
        tuple(searches),
        ceilings,
        fingerprint([sorted(found.items()), sorted(set(searches)), ceilings]),
    )


@lru_cache(maxsize=8192)  # tenants share most of their categories
def _of_words(
    definition: str | None, violating: tuple[str, ...], allowed: tuple[str, ...], detectors: tuple[str, ...]
) -> str:
    return fingerprint([definition, violating, allowed, detectors])


def fingerprint(what: Any) -> str:
    """16 hexadecimal digits of sha256 over the canonical JSON."""
    text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
