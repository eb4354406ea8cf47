"""policy.v1 as its author writes it: the models."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from worker.core.ports import OPERATING_POINTS, Point
from worker.policy.dsa import Dsa

MAX_CATEGORIES = 100
MAX_DEPTH = 32

MAX_DISTANCE = 16  # of 64 bits: beyond it unlike pictures are alike by chance


def _threshold(value: Any) -> float | Point:
    if isinstance(value, str) and value in OPERATING_POINTS:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise PydanticCustomError("threshold", "a threshold is a number from 0 to 1, or {names}", {"names": _NAMES})


_NAMES = f"{', '.join(OPERATING_POINTS[:-1])} or {OPERATING_POINTS[-1]}"
_THRESHOLD_SCHEMA = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"enum": list(OPERATING_POINTS)}]}

Threshold = Annotated[float | Point, PlainValidator(_threshold), WithJsonSchema(_THRESHOLD_SCHEMA)]
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
    dsa: Dsa | None = Field(None, description="what a statement of reasons says; inherited down the tree")
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


class Images(_Item):
    """A list of perceptual hashes of pictures; a hit has the list's action and no score."""

    list_: Annotated[str, Field(alias="list", min_length=1, description="file in the policies folder")]
    distance: Annotated[int, Field(ge=0, le=MAX_DISTANCE)] = Field(10, description="bits of 64 that may differ")
    category: str
    action: Literal["flag", "block"]


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


class Calls(_Strict):
    """How calls and conversations are watched: windows, and how windows become a state."""

    window_s: Annotated[float, Field(ge=1, le=30)] | None = Field(None, description="sound that one verdict looks at")
    hop_s: Annotated[float, Field(ge=1, le=30)] | None = Field(None, description="how often a window closes")
    lateness_s: Annotated[float, Field(ge=0, le=60)] | None = Field(
        None, description="how long a chunk that is missing is waited for"
    )
    expire_s: Annotated[float, Field(ge=10, le=86_400)] | None = Field(
        None, description="a stream that is silent for so long is forgotten"
    )
    agree: Annotated[int, Field(ge=1, le=32)] | None = Field(
        None, description="so many of the last `of` windows raise a category's state"
    )
    of: Annotated[int, Field(ge=1, le=32)] | None = None
    clear_margin: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="a window this far below the threshold, at most by half, no longer backs a state"
    )
    cooldown_s: Annotated[float, Field(ge=0, le=86_400)] | None = Field(
        None, description="a state stands at least so long after the last window that backed it"
    )
    escalate: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="a category raised to flag so often in one stream is raised to block; null: never"
    )
    messages: Annotated[int, Field(ge=0, le=32)] | None = Field(
        None, description="of a speaker that are read together; 0: none"
    )
    exchange: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None, description="of all speakers that are read together; 0: none"
    )
    messages_s: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        None, description="older messages are not read together with newer ones"
    )


class LimitsSpec(_Strict):
    """A tenant's ceilings."""

    events_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="of each tenant, that models look at; the others are decided by `otherwise.late`"
    )
    weight: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None, description="what each tenant gets of the models when others wait; 1 unless said"
    )
    text_chars: Annotated[int, Field(gt=0)] | None = None
    image_pixels: Annotated[int, Field(gt=0)] | None = None
    image_bytes: Annotated[int, Field(gt=0)] | None = None
    audio_s: Annotated[float, Field(gt=0)] | None = None
    audio_bytes: Annotated[int, Field(gt=0)] | None = None
    parts: Annotated[int, Field(gt=0)] | None = None


class CaseContext(_Item):
    """The event's context in a case."""

    channel: str | None = None
    audience: str | None = None
    language: str | None = None
    region: str | None = None
    actor: str | None = None
    attributes: dict[str, Any] | None = None


class PolicyTest(_Item):
    """One of the policy's own cases: the decision on an event of this text."""

    name: str
    text: str
    context: CaseContext | None = None
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
    images: list[Images] | None = None
    when: list[When] | None = Field(None, max_length=64)
    calls: Calls | None = None
    otherwise: Otherwise | None = None
    limits: LimitsSpec | None = None
    tests: list[PolicyTest] | None = None
