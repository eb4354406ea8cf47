"""Parts that break a rule or a limit: what fits is kept, the rest is said, and the neighbours are untouched."""

from __future__ import annotations

import pytest

from tests.unit.decode.records import body, media, read
from worker.core.events import TextPart
from worker.decode.envelope import OuterLimits

TEXT = {"type": "text", "text": "hello"}


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"type": "image", "data": "%%%"}, "base64_broken"),
        ({"type": "image", "data": "abc"}, "base64_broken"),
        ({"type": "audio", "data": "é"}, "base64_broken"),
        ({"type": "image", "data": ""}, "part_empty"),
        ({"type": "image"}, "part_empty"),
        ({"type": "hologram", "data": 7}, "part_type_unknown"),
        ({"type": "audio", "ref": {"url": "https://example.invalid/a.wav"}}, "ref_not_allowed"),
        ({"type": "image", "data": "PHN2Zy8+"}, "image_format"),
        ({"type": "audio", "data": "PHN2Zy8+"}, "audio_format"),
        ({"type": "audio", "data": "AAAA", "encoding": "g729"}, "audio_encoding"),
        ({"type": "audio", "data": "AAAA", "mime": "audio/L16;rate=0"}, "audio_encoding"),
    ],
)
def test_a_part_that_cannot_be_read_degrades_the_event_and_spares_its_neighbours(
    part: dict[str, object], code: str
) -> None:
    """An event is never a dead letter for one bad part."""
    event = read(body(parts=[TEXT, part, TEXT]))
    assert event.parts == (TextPart("parts/0", "hello"), TextPart("parts/2", "hello"))
    assert [(d.code, d.rule, d.where) for d in event.degraded] == [(code, "failed", "parts/1")]
    assert "hologram" not in event.degraded[0].reason


def test_thirty_megabytes_of_text_are_cut_at_the_limit_and_said() -> None:
    """Never silently: the rule `too_long` decides about what was not read."""
    event = read(body(parts=[{"type": "text", "text": "word " * 6_000_000}]), limits=OuterLimits(text_chars=20_000))
    (part,) = event.parts
    assert isinstance(part, TextPart)
    assert len(part.text) == 20_000
    assert [(d.code, d.rule, d.where) for d in event.degraded] == [("text_too_long", "too_long", "parts/0")]


def test_the_text_limit_is_for_the_event_as_a_whole() -> None:
    """Many parts are no way around it."""
    event = read(body(parts=[TEXT, TEXT, TEXT]), limits=OuterLimits(text_chars=7))
    assert [p.text for p in event.parts if isinstance(p, TextPart)] == ["hello", "he", ""]
    assert [d.where for d in event.degraded] == ["parts/1", "parts/2"]


def test_of_a_thousand_parts_the_first_are_read() -> None:
    """The first that the limit allows, and one degradation for all the others."""
    event = read(body(parts=[TEXT] * 1_000), limits=OuterLimits(parts=10))
    assert len(event.parts) == 10
    assert [(d.code, d.rule, d.where) for d in event.degraded] == [("too_many_parts", "too_long", "parts/10")]


def test_a_tenant_cannot_pass_the_worker_s_own_limits() -> None:
    """Outer limits bind whatever a policy says."""
    event = read(body(parts=[TEXT] * 100), limits=OuterLimits(parts=1_000))
    assert len(event.parts) == OuterLimits().parts


@pytest.mark.parametrize(("kind", "code"), [("image", "image_too_large"), ("audio", "audio_too_large")])
def test_a_file_over_its_bytes_is_not_decoded(kind: str, code: str) -> None:
    """Judged from the length of the base64."""
    event = read(media(kind, bytes(2_000)), limits=OuterLimits(image_bytes=1_000, audio_bytes=1_000))
    assert [(d.code, d.rule) for d in event.degraded] == [(code, "too_long")]
