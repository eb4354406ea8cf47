"""All families, and which one a checkpoint is of."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.errors import ConfigError
from worker.score.models.guard.family import Family
from worker.score.models.guard.granite_guardian import GRANITE_GUARDIAN, GRANITE_GUARDIAN_4
from worker.score.models.guard.llama_guard import LLAMA_GUARD, LLAMA_GUARD_4
from worker.score.models.guard.nemotron import NEMOTRON
from worker.score.models.guard.qwen3guard import QWEN3GUARD
from worker.score.models.guard.shieldgemma import SHIELDGEMMA
from worker.score.models.guard.shieldstral import SHIELDSTRAL

# the order matters where one architecture serves several: those with a hint come first
FAMILIES = (
    NEMOTRON,
    LLAMA_GUARD,
    LLAMA_GUARD_4,
    QWEN3GUARD,
    SHIELDSTRAL,
    GRANITE_GUARDIAN,
    GRANITE_GUARDIAN_4,
    SHIELDGEMMA,
)


def family_of(architectures: Sequence[str], template: str, wanted: str = "auto") -> Family:
    """
    The adapter for a checkpoint.

    Args:
        architectures: as in its `config.json`. template: the text of its chat template.
        wanted: a family's name, or "auto".

    Raises:
        ConfigError: no family has the name or reads the architecture.
    """
    names = ", ".join(family.name for family in FAMILIES)
    for family in FAMILIES:
        if wanted == family.name:
            return family
        if wanted == "auto" and set(architectures) & set(family.architectures) and family.hint in template:
            return family
    if wanted != "auto":
        raise ConfigError(f"there is no family of guard models {wanted!r}: models.guard.family is one of {names}")
    raise ConfigError(
        f"no family of guard models reads {', '.join(architectures) or 'a checkpoint without architectures'}: "
        f"name one with models.guard.family, of {names}"
    )
