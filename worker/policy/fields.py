"""Which fields a policy has at each of its places, so that an unknown one can be said with what may stand there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from worker.policy.document import (
    Calls,
    CaseContext,
    Category,
    Examples,
    Images,
    LimitsSpec,
    Otherwise,
    Override,
    PolicyDocument,
    PolicyTest,
    Setting,
    Terms,
    When,
)
from worker.policy.dsa import Dsa
from worker.policy.places import Path

_FEW = 4  # fields that are listed whole

# The object under a key, and those in the list or the table under one; `""` is the policy itself.
_UNDER: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "": PolicyDocument,
        "calls": Calls,
        "context": CaseContext,
        "dsa": Dsa,
        "examples": Examples,
        "limits": LimitsSpec,
        "otherwise": Otherwise,
    }
)
_WITHIN: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "categories": Category,
        "children": Category,
        "images": Images,
        "on": Override,
        "set": Setting,
        "terms": Terms,
        "tests": PolicyTest,
        "when": When,
    }
)


def unknown_field(path: Path) -> str:
    """
    That there is no such field at `path`, and which one was meant: one of the same object, or the same one elsewhere.

    Of an object that is not a policy's, nothing is known but the name.
    """
    name, above = str(path[-1]), [str(step) for step in path[:-1]] or [""]
    model = _WITHIN.get(above[-2]) if len(above) > 1 else None
    model = model or _UNDER.get(above[-1])
    said = f"unknown field `{name}`"
    if model is None:
        return said
    fields = _fields(model)
    if near := difflib.get_close_matches(name, fields, n=1):
        return f"{said}: did you mean `{near[0]}`?"
    homes = [key for table in (_UNDER, _WITHIN) for key, one in table.items() if name in _fields(one)]
    if homes:
        return f"{said}: it stands {f'under `{homes[0]}`' if homes[0] else 'at the top of the policy'}"
    return said + (f": there are {', '.join(fields)}" if len(fields) <= _FEW else "")


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
