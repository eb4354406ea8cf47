"""policy.v1 as its author writes it: the models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
