"""A definition's clauses, without those that say what the category is not."""

from __future__ import annotations

import re


def sentences(definition: str) -> list[str]:
    """A definition's clauses; those that say what the category is not would pull it the wrong way."""
    clauses = re.split(r"(?<=[.!?:;])\s+", definition)
    whole = re.split(r"(?<=[.!?])\s+", definition)
    negated = {clause for sentence in whole if sentence.lower().startswith("not ") for clause in _clauses(sentence)}
    return [clause for clause in clauses if clause.strip() and clause not in negated]


def _clauses(sentence: str) -> list[str]:
    return re.split(r"(?<=[.!?:;])\s+", sentence)
