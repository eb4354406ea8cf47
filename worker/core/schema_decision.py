"""decision.v1 and deadletter.v1 as models, for the schemas and for readers; the hot path builds plain dicts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ActionName = Literal["allow", "flag", "block"]
PartName = Literal["text", "image", "audio"]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EvidencePlace(_Part):
    """Where in the event, never what."""

    span: tuple[int, int] | None = Field(None, description="characters [start, end) of the source text")
    box: tuple[int, int, int, int] | None = Field(None, description="left, top, right, bottom in original pixels")
    t: tuple[float, float] | None = Field(None, description="start and end in seconds of the clip")
    frame: int | None = None
    speaker: str | None = None


class DecisionReason(_Part):
    """Why a category acts; a list hit has `list` and no score."""

    category: str
    type: PartName
    action: ActionName
    score: Probability | None = Field(None, description="after roll-up")
    threshold: Probability | None = None
    threshold_from: str | None = Field(None, description="policy:path of the node or condition it stands at")
    point: str | None = Field(None, description="the operating point that the threshold is written as, when it is one")
    scored_by: str | None = Field(None, description="the descendant whose score it is, when not the category's own")
    view: str | None = None
    model: str | None = None
    list: str | None = None
    evidence: EvidencePlace | None = None


class DecisionHit(_Part):
    """A list entry that was found; which entry is never said."""

    list: str
    list_digest: Digest
    category: str
    action: ActionName
    type: PartName
    view: str
    search: str = Field("", description="fingerprint of the entries and how they were matched")
    evidence: EvidencePlace | None = None


class DecisionOverride(_Part):
    """What changed the verdict afterwards."""

    cause: str
    action: ActionName
    detail: str


class DecisionDegradation(_Part):
    """What could not be judged as it should."""

    code: str
    rule: Literal["failed", "late", "language", "too_long"]
    where: str
    reason: str


class DecisionPolicy(_Part):
    """The snapshot that decided."""

    id: str
    version: str
    digest: Digest
    basis: str = Field(
        "",
        description="fingerprint of its definitions, lists and limits: with the same one, others can be tried again",
    )


class DecisionCandidate(_Part):
    """What the candidate policy would have done; it never acts."""

    policy: DecisionPolicy
    action: ActionName | None = Field(description="null when the candidate could not decide")
    reasons: list[DecisionReason]


class DecisionReview(_Part):
    """A sample that people check; each stands for 1 / probability decisions of its kind."""

    probability: Probability = Field(description="with which the decision was to be drawn")


class DecisionWindow(_Part):
    """A window that the event closed. For sound, seconds on the call's clock; for messages, Unix seconds."""

    kind: Literal["call", "speaker", "exchange"] = Field(description="sound; the last messages of one; of everyone")
    t0: float
    t1: float
    heard_s: Annotated[float, Field(ge=0)] | None = Field(None, description="of sound: seconds of it that came")
    missing_s: Annotated[float, Field(ge=0)] | None = Field(None, description="of sound: seconds of it that never did")
    passed: dict[str, ActionName] = Field(default_factory=dict, description="categories that it asks to act on")


class DecisionTransition(_Part):
    """A change of state, by the window that made it."""

    kind: Literal["call", "speaker", "exchange"]
    speaker: str | None
    category: str
    before: ActionName
    after: ActionName
    cause: Literal["agreed", "severe", "escalated", "cleared"]
    t0: float
    t1: float


class DecisionCall(_Part):
    """The state of the event's call or conversation, this event included."""

    kind: Literal["call", "conversation"]
    stream: str
    speaker: str | None
    state: ActionName = Field(description="of this speaker")
    stream_state: ActionName = Field(description="the strictest of anyone in it")
    raised: dict[str, ActionName] = Field(default_factory=dict, description="this speaker's categories above allow")
    windows: list[DecisionWindow] = Field(default_factory=list, description="closed by this event")
    changed: list[DecisionTransition] = Field(default_factory=list)
    transition: bool = Field(False, description="true for the event that changed the state")


class DecisionModel(_Part):
    """A model that gave a score."""

    name: str
    version: str
    digest: str


class SourcePosition(_Part):
    """Where the event stood in the queue."""

    topic: str
    partition: int
    offset: int


class DecisionDocument(_Part):
    """One published decision."""

    id: str = Field(description="the same for every repeat of the event: keep the first")
    event_id: str
    tenant: str
    time: str = Field(description="RFC 3339")
    types: list[PartName] = Field(description="types of part that the event had")
    action: ActionName = Field(description="after overrides; it is the topic's name")
    reasons: list[DecisionReason]
    shadow: list[DecisionReason] = Field(default_factory=list)
    scores: dict[str, Probability] = Field(description="own scores before roll-up, maximum over types")
    scores_by_type: dict[PartName, dict[str, Probability]] | None = None
    hits: list[DecisionHit]
    context: dict[str, Any] = Field(description="the fields that the policy's conditions read")
    stream: dict[str, Any] | None = Field(None, description="the fields of the stream that the conditions read")
    overrides: list[DecisionOverride]
    policy: DecisionPolicy
    models: list[DecisionModel]
    degraded: list[DecisionDegradation] | None
    notes: list[str] = Field(default_factory=list)
    stage: Literal["first", "repeat", "guard"] | None = Field(
        None,
        description="with a cascade: the furthest that a text went; repeat: the guard's answer to the same text before",
    )
    evasion: list[str] = Field(default_factory=list, description="disguises taken off a text to read it, by name")
    content_hmac: str | None = Field(description="HMAC of the content, keyed by tenant")
    source: SourcePosition
    first: SourcePosition | None = Field(
        None, description="of a redriven event: where it was first read; `id` is made from it"
    )
    latency_ms: dict[str, Milliseconds]
    candidate: DecisionCandidate | None = None
    review: DecisionReview | None = Field(None, description="only in the review topic")
    call: DecisionCall | None = None


class DeadLetterHeaders(BaseModel):
    """
    Headers of a dead letter, UTF-8; the record's key, value and own headers are as they came.

    A record too large for the topic leaves its value where it was: the value is empty and the pointer headers say
    how many bytes it had and their sha256.
    """

    model_config = ConfigDict(extra="allow")

    topic: str = Field(alias="__connect.errors.topic", description="where the record was read")
    partition: str = Field(alias="__connect.errors.partition", pattern=r"^\d+$")
    offset: str = Field(alias="__connect.errors.offset", pattern=r"^\d+$")
    connector: Literal["tidegate"] = Field(alias="__connect.errors.connector.name")
    stage: str = Field(alias="__connect.errors.stage")
    class_name: str = Field(alias="__connect.errors.class.name")
    exception: str = Field(alias="__connect.errors.exception.class.name")
    reason: str = Field(alias="__connect.errors.exception.message", description="one sentence, without content")
    code: str = Field(alias="tidegate-code", pattern=r"^[a-z0-9_]+$", description="stable name of the reason")
    own_stage: str = Field(
        alias="tidegate-stage", description="where it ended: envelope, event, judging, deciding, publishing"
    )
    attempts: str = Field(alias="tidegate-attempts", pattern=r"^\d+$", description="how often it was tried")
    failures: str | None = Field(
        None, alias="tidegate-failures", description="class names of the attempts' errors, oldest first, by commas"
    )
    tenant: str | None = Field(None, alias="tidegate-tenant", description="when it is known")
    first_position: str | None = Field(
        None,
        alias="tidegate-first-position",
        description="topic:partition:offset, of a redriven record",
    )
    redrives: str | None = Field(None, alias="tidegate-redrives", description="how often it was redriven before")
    version: str = Field(alias="tidegate-version", description="of the worker that gave up")
    pointer_bytes: str | None = Field(None, alias="tidegate-pointer-bytes", pattern=r"^\d+$")
    pointer_sha256: str | None = Field(None, alias="tidegate-pointer-sha256", pattern=r"^[0-9a-f]{64}$")


def decision_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of decision.v1."""
    return _schema(DecisionDocument, "decision.v1", "Tidegate decision, version 1")


def deadletter_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of deadletter.v1: the headers of a dead letter, by name."""
    return _schema(DeadLetterHeaders, "deadletter.v1", "Tidegate dead letter headers, version 1")


def _schema(model: type[BaseModel], name: str, title: str) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name}
    return head | model.model_json_schema(by_alias=True) | {"title": title}
