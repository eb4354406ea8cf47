"""event.v1 as pydantic models: the source of `schemas/event.v1.json` and the oracle of the fast check in `shape.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

MAX_ID = 512
MAX_TENANT = 256
MAX_NAME = 1024
MAX_INT = 2**53 - 1  # the largest whole number that every JSON reader keeps exactly

Name = Annotated[str, Field(max_length=MAX_NAME)]
Whole = Annotated[int, Field(ge=0, le=MAX_INT)]


class _Model(BaseModel):
    """Strict types; unknown fields are ignored, and null means absent for every optional field."""

    model_config = ConfigDict(strict=True, extra="ignore")


class TextPartV1(_Model):
    """A text as its author wrote it."""

    type: Literal["text"]
    text: str
    role: Name | None = None


class RefV1(_Model):
    """Where large content lies, with what it must be. Fetched where the worker's settings allow the place."""

    url: str = Field(description="https or file; for an object store a signed https address")
    sha256: Name | None = Field(default=None, description="needed to be fetched: 64 lower-case hexadecimal digits")
    bytes: Whole | None = Field(default=None, description="needed to be fetched: the file's exact length")


class ImagePartV1(_Model):
    """A picture: base64 of a PNG, JPEG, WebP or GIF file, or a `ref`."""

    type: Literal["image"]
    data: str | None = None
    ref: RefV1 | None = None
    mime: Name | None = None


class AudioPartV1(_Model):
    """
    A clip of sound: base64 of a WAV, FLAC, OGG or MP3 file, or a `ref`.

    Raw 16-bit little-endian PCM is declared by `encoding` "pcm16" with `rate` and `channels`, or by `mime`
    "audio/L16;rate=8000;channels=1" (little-endian too, whatever RFC 2586 says: it is what recorders send). Raw G.711
    is "pcmu" or "pcma", or "audio/PCMU", "audio/PCMA", "audio/basic"; its rate is 8000 unless declared.
    """

    type: Literal["audio"]
    data: str | None = None
    ref: RefV1 | None = None
    mime: Name | None = None
    encoding: Name | None = Field(default=None, description='"pcm16", "pcmu" or "pcma" for raw samples')
    rate: Whole | None = Field(default=None, description="samples a second, for raw sound")
    channels: Whole | None = Field(default=None, description="interleaved channels, for raw sound")


class OtherPartV1(_Model):
    """A part of a type that this version does not know: the event is judged without it and marked degraded."""

    type: Annotated[str, Field(max_length=MAX_NAME, json_schema_extra={"not": {"enum": ["text", "image", "audio"]}})]


def _part_tag(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
    return kind if isinstance(kind, str) and kind in ("text", "image", "audio") else "other"


PartV1 = Annotated[
    Annotated[TextPartV1, Tag("text")]
    | Annotated[ImagePartV1, Tag("image")]
    | Annotated[AudioPartV1, Tag("audio")]
    | Annotated[OtherPartV1, Tag("other")],
    Discriminator(_part_tag),
]


class ContextV1(_Model):
    """What the policy's conditions may ask about; a producer's own fields stand in `attributes`."""

    channel: Name | None = None
    audience: Name | None = None
    language: Name | None = None
    region: Name | None = None
    actor: Name | None = None
    attributes: dict[str, Any] | None = None


class StreamV1(_Model):
    """Where the event stands in a call or conversation."""

    id: Annotated[str, Field(min_length=1, max_length=MAX_ID)]
    seq: Whole | None = None
    offset_ms: Whole | None = None
    speaker: Name | None = None
    final: bool | None = None


class EventV1(_Model):
    """One event to moderate."""

    id: Annotated[str, Field(min_length=1, max_length=MAX_ID)]
    tenant: Annotated[str, Field(min_length=1, max_length=MAX_TENANT)]
    time: Name | None = Field(default=None, description="RFC 3339, published on as it came")
    parts: Annotated[list[PartV1], Field(min_length=1)]
    context: ContextV1 | None = None
    stream: StreamV1 | None = None
    deadline_ms: Whole | None = Field(default=None, description="milliseconds from the queue's time stamp")


EVENT = TypeAdapter(EventV1)


def event_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of event.v1, as it stands in `schemas/event.v1.json`."""
    schema = EVENT.json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "event.v1.json", **schema}
