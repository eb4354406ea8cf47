"""appeal.v1 and review.v1: what people said of a decision, as records of their topics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ActionName = Literal["allow", "flag", "block"]
Id = Annotated[str, Field(min_length=1, max_length=512)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Moment = Annotated[str, Field(max_length=64, description="RFC 3339")]


class _Said(BaseModel):
    """Unknown fields are ignored; none may hold content."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    decision: Id = Field(description="the decision's id")
    tenant: Name
    time: Moment


class AppealDocument(_Said):
    """The outcome of an appeal."""

    outcome: Literal["upheld", "rejected"] = Field(description="upheld: the appeal was right, the decision falls")
    action: ActionName = Field("allow", description="of an upheld appeal: what the decision should have been")
    language: Annotated[str, Field(max_length=35)] | None = Field(None, description="of the content, BCP 47")
    by: Annotated[str, Field(max_length=256)] | None = Field(None, description="who decided: a role or a pseudonym")


class ReviewDocument(_Said):
    """A reviewer's verdict on a decision."""

    action: ActionName = Field(description="what the decision should have been")
    category: Annotated[str, Field(max_length=2_048)] | None = Field(None, description="the path, where one acts")
    reviewer: Name = Field(description="a pseudonym, the same for all verdicts of one person")
    seconds: Annotated[float, Field(ge=0)] | None = Field(None, description="how long it took")


def appeal_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of appeal.v1."""
    return _schema(AppealDocument, "appeal.v1", "Tidegate appeal, version 1")


def review_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of review.v1."""
    return _schema(ReviewDocument, "review.v1", "Tidegate review, version 1")


def _schema(model: type[BaseModel], name: str, title: str) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name}
    return head | model.model_json_schema() | {"title": title}
