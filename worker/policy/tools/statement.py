"""
A statement of reasons as the Transparency Database takes it (Digital Services Act, Art. 17 and 24(5)).

Field names, limits and rules are those of its API since 1 July 2025 (digital-services-act/transparency-database at
69e80a0, `StatementStoreRequest.php` and the documentation of the attributes). How a block was found and how it was
decided are two fields that others have mixed up: `automated_detection` says how the content was found,
`automated_decision` who decided.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from worker.policy.dsa import Country, Ground, Keyword, Long, Short, StatementCategory, Visibility

# fmt: off
Monetary = Literal["DECISION_MONETARY_SUSPENSION", "DECISION_MONETARY_TERMINATION", "DECISION_MONETARY_OTHER"]
Provision = Literal[
    "DECISION_PROVISION_PARTIAL_SUSPENSION", "DECISION_PROVISION_TOTAL_SUSPENSION",
    "DECISION_PROVISION_PARTIAL_TERMINATION", "DECISION_PROVISION_TOTAL_TERMINATION",
]
Account = Literal["DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"]
ContentType = Literal[
    "CONTENT_TYPE_APP", "CONTENT_TYPE_AUDIO", "CONTENT_TYPE_IMAGE", "CONTENT_TYPE_PRODUCT",
    "CONTENT_TYPE_SYNTHETIC_MEDIA", "CONTENT_TYPE_TEXT", "CONTENT_TYPE_VIDEO", "CONTENT_TYPE_OTHER",
]
Source = Literal[
    "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_VOLUNTARY", "SOURCE_TYPE_OTHER_NOTIFICATION",
]
Decided = Literal[
    "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED",
]
# fmt: on
_NEEDED = {
    "DECISION_GROUND_ILLEGAL_CONTENT": ("illegal_content_legal_ground", "illegal_content_explanation"),
    "DECISION_GROUND_INCOMPATIBLE_CONTENT": ("incompatible_content_ground", "incompatible_content_explanation"),
}
_OTHERS = (  # a field, the value in it that must be spelt out, and where
    ("decision_visibility", "DECISION_VISIBILITY_OTHER", "decision_visibility_other"),
    ("decision_monetary", "DECISION_MONETARY_OTHER", "decision_monetary_other"),
    ("content_type", "CONTENT_TYPE_OTHER", "content_type_other"),
    ("category_specification", "KEYWORD_OTHER", "category_specification_other"),
)
_RESTRICTIONS = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")


class Statement(BaseModel):
    """One statement; a field that does not apply is left out. Raises ValidationError with the field's name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    puid: Annotated[str, Field(max_length=500, pattern=r"^[a-zA-Z0-9-_]+$")]
    decision_visibility: Annotated[list[Visibility], Field(min_length=1)] | None = None
    decision_visibility_other: Short | None = None
    decision_monetary: Monetary | None = None
    decision_monetary_other: Short | None = None
    decision_provision: Provision | None = None
    decision_account: Account | None = None
    account_type: Literal["ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"] | None = None
    decision_ground: Ground
    decision_ground_reference_url: Annotated[str, Field(max_length=500, pattern=r"^https?://\S+$")] | None = None
    illegal_content_legal_ground: Short | None = None
    illegal_content_explanation: Long | None = None
    incompatible_content_ground: Short | None = None
    incompatible_content_explanation: Long | None = None
    incompatible_content_illegal: Literal["Yes", "No"] | None = None
    content_type: Annotated[list[ContentType], Field(min_length=1)]
    content_type_other: Short | None = None
    category: StatementCategory
    category_addition: list[StatementCategory] | None = None
    category_specification: list[Keyword] | None = None
    category_specification_other: Short | None = None
    territorial_scope: list[Country] | None = None
    content_language: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    content_date: date
    application_date: date
    end_date_visibility_restriction: date | None = None
    end_date_monetary_restriction: date | None = None
    end_date_service_restriction: date | None = None
    end_date_account_restriction: date | None = None
    decision_facts: Annotated[str, Field(min_length=1, max_length=5000)]
    source_type: Source
    source_identity: Short | None = None
    automated_detection: Literal["Yes", "No"]
    automated_decision: Decided
    content_id: dict[Literal["EAN-13"], Annotated[str, Field(pattern=r"^\d{13}$")]] | None = None

    @model_validator(mode="after")
    def _rules_between_fields(self) -> Statement:
        if all(getattr(self, name) is None for name in _RESTRICTIONS):
            raise ValueError(f"one of {', '.join(_RESTRICTIONS)} is needed: say what the decision does")
        for ground, names in _NEEDED.items():
            for name in names:
                if (getattr(self, name) is not None) != (self.decision_ground == ground):
                    raise ValueError(f"{name} belongs to {ground}, and only to it")
        for field, value, other in _OTHERS:
            said = getattr(self, field) or ()
            holds = value in said if isinstance(said, list) else value == said
            if holds and getattr(self, other) is None:
                raise ValueError(f"{other} is needed with {value}")
        if self.category in (self.category_addition or ()):
            raise ValueError("category_addition repeats category")
        if self.content_date > self.application_date:
            raise ValueError("content_date is after application_date")
        if self.source_identity is not None and self.source_type == "SOURCE_VOLUNTARY":
            raise ValueError("source_identity has no place with SOURCE_VOLUNTARY")
        return self

    def as_json(self) -> dict[str, Any]:
        """As the API takes it."""
        return self.model_dump(mode="json", exclude_none=True)
