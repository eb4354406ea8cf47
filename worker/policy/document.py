"""policy.v1 as its author writes it: the models, and reading a file into them with the line of each mistake."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from worker.core.errors import PolicyRejected
from worker.policy.places import Path, dotted, first_problem, line_of

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_CATEGORIES = 100
MAX_DEPTH = 32

Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
PolicyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Mode = Literal["enforce", "shadow", "off"]
PartName = Literal["text", "image", "audio"]
Fallback = Literal["allow", "flag", "block", "score"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Item(_Strict):
    """What stands in a list is never merged with a parent's, so a null in it would remove nothing."""

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name, inner in value.items():
                if inner is None:
                    raise ValueError(f"{name} is null, which removes nothing here: leave it out")
        return value


class Override(_Strict):
    """A node's own thresholds and mode for one type of part."""

    flag: Threshold | None = None
    block: Threshold | None = None
    mode: Mode | None = None


class Examples(_Strict):
    """Texts that do and do not violate a category; scorers learn from them."""

    violating: list[Annotated[str, Field(min_length=1, max_length=2000)]] | None = Field(None, max_length=500)
    allowed: list[Annotated[str, Field(min_length=1, max_length=2000)]] | None = Field(None, max_length=500)


class Category(_Strict):
    """A node of the tree. `null` removes the parent document's value."""

    definition: Annotated[str, Field(max_length=4000)] | None = None
    examples: Examples | None = None
    detectors: list[Name] | None = Field(None, description="labels of detectors whose score counts, e.g. nsfw")
    flag: Threshold | None = None
    block: Threshold | None = None
    mode: Mode | None = None
    on: dict[PartName, Override | None] | None = None
    rollup: bool | None = Field(None, description="false keeps this node's score out of its parent's")
    severe: bool | None = None
    restricted: bool | None = None
    children: dict[Name, Category | None] | None = None


class Terms(_Item):
    """A list of words, substrings or patterns; a hit has the list's action and no score."""

    list_: Annotated[str, Field(min_length=1)] | None = Field(
        None, alias="list", description="file in the policies folder"
    )
    words: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="the entries themselves")
    match: Literal["word", "substring", "pattern"] = "word"
    category: str
    action: Literal["flag", "block"]
    except_: list[str] | None = Field(None, alias="except", description="phrases in which an entry is no hit")

    @model_validator(mode="after")
    def _one_source(self) -> Terms:
        if (self.list_ is None) == (self.words is None):
            raise ValueError("give either `list` (a file) or `words` (the entries), not both or neither")
        return self


class Setting(_Item):
    """The fields of one node that a condition changes."""

    flag: Threshold | None = None
    block: Threshold | None = None
    mode: Mode | None = None
    on: dict[PartName, Override] | None = None


class When(_Item):
    """A CEL condition over `context`, `parts` and `stream`, and what it sets, by category path."""

    if_: Annotated[str, Field(alias="if", min_length=1, max_length=2000)]
    set_: dict[str, Setting] = Field(alias="set")


class Otherwise(_Strict):
    """What decides an event that could not be judged as it should; `score` lets what was scored decide alone."""

    failed: Fallback | None = None
    late: Fallback | None = None
    language: Fallback | None = None
    too_long: Fallback | None = None


class LimitsSpec(_Strict):
    """A tenant's ceilings."""

    events_per_s: Annotated[float, Field(gt=0)] | None = None
    text_chars: Annotated[int, Field(gt=0)] | None = None
    image_pixels: Annotated[int, Field(gt=0)] | None = None
    image_bytes: Annotated[int, Field(gt=0)] | None = None
    audio_s: Annotated[float, Field(gt=0)] | None = None
    audio_bytes: Annotated[int, Field(gt=0)] | None = None
    parts: Annotated[int, Field(gt=0)] | None = None


class PolicyTest(_Item):
    """One of the policy's own cases."""

    name: str
    text: str
    expect: Literal["allow", "flag", "block"]
    category: str | None = None


class PolicyDocument(_Strict):
    """A policy file. With `extends` it holds only what differs from its parent."""

    id: PolicyId
    version: Annotated[str, Field(min_length=1, max_length=128)]
    extends: PolicyId | None = None
    description: str | None = None
    categories: dict[Name, Category | None] | None = None
    terms: list[Terms] | None = None
    when: list[When] | None = Field(None, max_length=64)
    otherwise: Otherwise | None = None
    limits: LimitsSpec | None = None
    tests: list[PolicyTest] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A policy file that is valid by itself. `tree` is its JSON, `text` is kept to find lines in."""

    file: str
    text: str
    tree: dict[str, Any]
    document: PolicyDocument

    def reject(self, reason: str, path: Path = ()) -> PolicyRejected:
        """The error that names `path` in this file."""
        return PolicyRejected(reason, file=self.file, line=line_of(self.text, path) or 1, where=dotted(path) or None)


def read_policy(raw: bytes, file: str) -> Source:
    """
    Read and validate one policy file.

    Raises:
        PolicyRejected: not UTF-8, not JSON, or not policy.v1, with the file, line and path of the first mistake.
    """
    text = decode_text(raw, file)
    tree = read_json(text, file)
    try:
        document = PolicyDocument.model_validate(tree)
    except ValidationError as error:
        raise rejected(error, text, file) from None
    source = Source(file, text, tree, document)
    check_size(tree, source)
    return source


def decode_text(raw: bytes, file: str) -> str:
    """Bytes of a file as text. Raises PolicyRejected when too large or not UTF-8."""
    if len(raw) > MAX_FILE_BYTES:
        raise PolicyRejected(f"{len(raw)} bytes are more than the {MAX_FILE_BYTES} a policy file may have", file=file)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyRejected(f"not UTF-8 at byte {error.start}: save the file as UTF-8", file=file, line=line) from None


def read_json(text: str, file: str) -> dict[str, Any]:
    """A JSON object without duplicate keys, NaN, endless numbers or lone surrogates. Raises PolicyRejected."""
    try:
        tree = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        json.dumps(tree, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"not JSON: {error.msg} at column {error.colno}"
        raise PolicyRejected(place, file=file, line=error.lineno) from None
    except UnicodeEncodeError:
        raise PolicyRejected("a string holds half of a surrogate pair: write the whole character", file=file) from None
    except (ValueError, RecursionError) as error:
        tree, problem = None, first_problem(text)
        if problem is None:
            raise PolicyRejected(f"not JSON that can be read: {error}", file=file) from None
    else:
        problem = first_problem(text) if _nesting_over(text) else None
    if problem is not None:
        raise PolicyRejected(str(problem.problem), file=file, line=problem.line, where=dotted(problem.path))
    if not isinstance(tree, dict):
        raise PolicyRejected("a JSON object is expected", file=file, line=1)
    return tree


def _nesting_over(text: str) -> bool:
    # Cheap bound first: only a text with that many brackets can be nested too deep.
    return text.count("{") + text.count("[") > 80


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def check_size(tree: dict[str, Any], source: Source) -> None:
    """Raise PolicyRejected where a (resolved) document has more categories, or deeper ones, than a policy may."""
    count = 0
    waiting: list[tuple[Path, dict[str, Any] | None, int]] = [(("categories",), tree.get("categories"), 1)]
    while waiting:
        path, nodes, depth = waiting.pop()
        for name, node in (nodes or {}).items():
            count += 1
            here: Path = (*path, name)
            if depth > MAX_DEPTH:
                raise source.reject(f"categories may be {MAX_DEPTH} deep", here)
            if count > MAX_CATEGORIES:
                raise source.reject(f"more than {MAX_CATEGORIES} categories: split the policy by tenant", here)
            if isinstance(node, dict):
                waiting.append(((*here, "children"), node.get("children"), depth + 1))


def rejected(error: ValidationError, text: str, file: str) -> PolicyRejected:
    """The first mistake that pydantic found, as an error with its line and how to mend it."""
    details = error.errors(include_url=False)[0]
    path: Path = tuple(step for step in details["loc"] if step != "[key]")
    kind, context = details["type"], details.get("ctx", {})
    reason = str(details["msg"])
    if kind == "extra_forbidden":
        reason = _unknown_field(path)
    elif kind == "missing":
        reason = f"`{path[-1]}` is missing"
    elif kind == "value_error":
        reason = str(context.get("error", reason))
    elif kind in ("greater_than_equal", "less_than_equal", "finite_number", "float_type") and path[-1] in _THRESHOLDS:
        reason = "a threshold is a probability: a number from 0 to 1"
    elif kind == "string_pattern_mismatch" and "[key]" in details["loc"]:
        reason = f"{path[-1]!r} is no name: use lower-case letters, digits, - and _"
    return PolicyRejected(
        reason[:1].lower() + reason[1:], file=file, line=line_of(text, path) or 1, where=dotted(path) or None
    )


_THRESHOLDS = ("flag", "block")
_PLANNED = ("images", "calls", "dsa")
_MODELS = (PolicyDocument, Category, Terms, When, Setting, Override, Otherwise, LimitsSpec, Examples, PolicyTest)
_FIELDS = sorted({field.alias or name for model in _MODELS for name, field in model.model_fields.items()})


def _unknown_field(path: Path) -> str:
    name = str(path[-1])
    if name in _PLANNED:
        return f"`{name}` is not supported by this version: take it out"
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    return f"unknown field `{name}`" + (f": did you mean `{near[0]}`?" if near else "")
