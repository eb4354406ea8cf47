"""`when` (step 2): CEL conditions compiled once, their outcomes cached by the fields that are not identities."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel

from worker.core.decisions import Findings
from worker.policy.document import When
from worker.policy.resolve import Resolved
from worker.policy.shared import Shared
from worker.policy.wording import cel_mistake

Outcome = bool | None  # None: it failed at run time, and its stricter side counts
Outcomes = tuple[Outcome, ...]

CONTEXT_FIELDS = ("channel", "audience", "language", "region", "actor", "attributes")
STREAM_FIELDS = ("id", "seq", "offset_ms", "speaker", "final")
_IDENTITIES = frozenset({"context.actor", "stream.id", "stream.seq", "stream.offset_ms", "stream.speaker"})
_ROOTS = frozenset({"context", "parts", "stream"})
_MAX_CACHED = 4096
_MOST_UNKNOWN = 3  # conditions of unknown outcome: 27 ways
_NOTHING: Mapping[str, Any] = {}

_STRING = re.compile(r"""[rRbB]{0,2}("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""")
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,")  # CEL's macros
_READ = re.compile(r"(?<![.\w])(context|stream)\b(?:\s*\.\s*([A-Za-z_]\w*))?(?:\s*\.\s*([A-Za-z_]\w*)\b(?!\s*\())?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One `if`, compiled, and the fields it reads, e.g. `context.audience`, `context.attributes.level`."""

    program: cel.Program
    reads: frozenset[str]


class Conditions:
    """All conditions of a policy, in document order. Safe to use from several threads."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = tuple(conditions)
        reads = frozenset[str]().union(*(c.reads for c in conditions)) if conditions else frozenset[str]()
        self.context_fields = tuple(sorted(r.removeprefix("context.") for r in reads if r.startswith("context.")))
        self._plain_names = tuple(name for name in self.context_fields if "." not in name)
        self._attribute_names = tuple(name.partition(".")[2] for name in self.context_fields if "." in name)
        self.stream_fields = tuple(sorted(r.removeprefix("stream.") for r in reads if r.startswith("stream.")))
        self._cacheable = not reads & _IDENTITIES
        self._cache: dict[tuple[Any, ...], Outcomes] = {}

    def __len__(self) -> int:
        return len(self._conditions)

    def outcomes(self, findings: Findings) -> Outcomes:
        """What each condition says of an event."""
        if not self._cacheable:
            return self._evaluate(findings)
        try:
            key = self._key(findings)
            found = self._cache.get(key)
        except TypeError:  # a list in the attributes has no hash
            return self._evaluate(findings)
        if found is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            found = self._cache[key] = self._evaluate(findings)
        return found

    def possible(self, findings: Findings, unknown: Collection[str]) -> list[Outcomes]:
        """
        Every way they may come out for an event of which the fields `unknown` (`context.audience`) are not known.

        Empty where that would be more than a few.
        """
        open_ = [bool(condition.reads & set(unknown)) for condition in self._conditions]
        if sum(open_) > _MOST_UNKNOWN:
            return []
        known = self.outcomes(findings)
        ways = [(True, False, None) if is_open else (said,) for is_open, said in zip(open_, known, strict=True)]
        return list(itertools.product(*ways))

    def _key(self, findings: Findings) -> tuple[Any, ...]:
        """All that is read, each with its class: CEL tells 1, 1.0 and true apart, Python's dict does not."""
        context = findings.context
        key: list[Any] = [findings.part_types]
        for name in self._plain_names:
            value = context.get(name)
            key += (value.__class__, value)
        if self._attribute_names:
            attributes = context.get("attributes") or _NOTHING
            for name in self._attribute_names:
                value = attributes.get(name)
                key += (value.__class__, value)
        if self.stream_fields:
            stream = findings.stream or _NOTHING
            for name in self.stream_fields:
                value = stream.get(name)
                key += (value.__class__, value)
        return tuple(key)

    def _evaluate(self, findings: Findings) -> Outcomes:
        given = _given(findings.context, findings.part_types, findings.stream or {})
        return tuple(_run(condition.program, given) for condition in self._conditions)


_SHARED: Shared[Conditions] = Shared()


def _given(context: Mapping[str, Any], parts: frozenset[str], stream: Mapping[str, Any]) -> dict[str, Any]:
    """What a condition sees: known fields are null when absent; an own attribute that is null counts as absent."""
    known: dict[str, Any] = dict.fromkeys(CONTEXT_FIELDS) | {"attributes": {}}
    known.update((name, value) for name, value in context.items() if value is not None)
    known["attributes"] = {name: value for name, value in known["attributes"].items() if value is not None}
    return {"context": known, "parts": sorted(parts), "stream": dict.fromkeys(STREAM_FIELDS) | dict(stream)}


def _run(program: cel.Program, given: dict[str, Any]) -> Outcome:
    try:
        said = program.execute(given)
    except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError):
        return None  # counted: the verdict's notes say which condition
    return said if isinstance(said, bool) else None


def compile_conditions(whens: Sequence[When], resolved: Resolved) -> Conditions:
    """
    Policies with the same conditions share them, outcomes and all.

    Raises:
        PolicyRejected: a condition is not CEL, or reads something that no event has.
    """
    compiled = [compile_condition(when.if_, index, resolved) for index, when in enumerate(whens)]
    return _SHARED.get(tuple(when.if_ for when in whens), lambda: Conditions(compiled))


def compile_condition(source: str, index: int, resolved: Resolved) -> Condition:
    """The `if` of `when[index]`. Raises PolicyRejected."""
    found = _compiled(source)
    if isinstance(found, str):
        raise resolved.reject(found, ("when", index, "if"))
    return found


@lru_cache(maxsize=_MAX_CACHED)
def _compiled(source: str) -> Condition | str:
    """A condition, or why it is none."""
    try:
        program = cel.compile(source)
    except ValueError as error:
        return f"not a CEL condition: {cel_mistake(str(error), source)}"
    if unknown := sorted(set(program.variables()) - _ROOTS - set(_BOUND.findall(source))):
        return f"`{unknown[0]}` is not known: a condition reads context, parts and stream, and a text needs quotes"
    reads = set()
    for match in _READ.finditer(_STRING.sub("''", source)):
        root, name, inner = match.groups()
        known = CONTEXT_FIELDS if root == "context" else STREAM_FIELDS
        if name not in known:
            return _unknown(root, name, known)
        if name == "attributes" and inner is None:
            return "write context.attributes.NAME, so that decisions can keep what it read"
        reads.add(f"{root}.{name}.{inner}" if name == "attributes" else f"{root}.{name}")
    return Condition(program, frozenset(reads))


def _unknown(root: str, name: str | None, known: Sequence[str]) -> str:
    if name is None:
        return f"write {root}.NAME with one of {', '.join(known)}"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(known)}"
    own = "; own fields stand in context.attributes" if root == "context" else ""
    return f"{root} has no `{name}`: {hint}{own}"
