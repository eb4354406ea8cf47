"""One labelled text, and the categories that labels are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CATEGORIES = (
    "hate",
    "hate/threatening",
    "harassment",
    "harassment/threatening",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "illicit",
    "illicit/violent",
)
Labels = npt.NDArray[np.float32]  # [13]: 1 violates, 0 does not, NaN not labelled


class Row(NamedTuple):
    """A text, its labels, and where it is from, e.g. `edos` or `synthetic/hate/derogation`."""

    text: str
    labels: Labels
    source: str
    weight: float = 1.0


def labels(yes: Iterable[str] = (), *, unknown: Iterable[str] = (), no: Iterable[str] | None = None) -> Labels:
    """
    Labels from names: `yes` violate, `unknown` are not labelled, `no` do not; `no=None` means all the others.

    A child that violates makes its parent violate.
    """
    found = np.full(len(CATEGORIES), 0.0 if no is None else np.nan, np.float32)
    for name in no or ():
        found[CATEGORIES.index(name)] = 0.0
    for name in unknown:
        found[CATEGORIES.index(name)] = np.nan
    for name in yes:
        found[CATEGORIES.index(name)] = 1.0
        if "/" in name:
            found[CATEGORIES.index(name.partition("/")[0])] = 1.0
    return found
