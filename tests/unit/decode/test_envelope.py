"""Envelopes: what is an event, in each of its wrappings, and what is not one, with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.unit.decode.records import body, read, record
from worker.core.errors import NotAnEvent
from worker.core.events import Stream, TextPart
from worker.core.records import Headers, Position
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import OuterLimits

ATTRIBUTES = {"type": "chat.message", "source": "/lobby", "id": "ce-1", "time": datetime(2026, 11, 23, tzinfo=UTC)}


def code_of(value: bytes | None, headers: Headers = (), outer: OuterLimits | None = None) -> str:
    """The reason why `value` is no event."""
    with pytest.raises(NotAnEvent) as caught:
        EventDecoder(outer).envelope(record(value, headers))
    return caught.value.code


def headers_of(message: KafkaMessage) -> Headers:
    """A CloudEvents library message's headers as a transport gives them."""
    return tuple(message.headers.items())


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "tombstone"),
        (b"", "not_json"),
        (b"hello", "not_json"),
        (b'{"id": "e-1", "tenant": "acme"', "not_json"),
        (b'{"id": "\xff"}', "not_utf8"),
        ('{"id": "e-1"}'.encode("utf-16"), "not_utf8"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "wrong_shape"),
        (b"7", "wrong_shape"),
        (b'{"tenant": "acme", "parts": [{"type": "text", "text": "x"}]}', "no_id"),
        (b'{"id": "", "tenant": "acme", "parts": [{"type": "text", "text": "x"}]}', "no_id"),
        (b'{"id": 5, "tenant": "acme", "parts": [{"type": "text", "text": "x"}]}', "wrong_shape"),
        (b'{"id": "e-1", "parts": [{"type": "text", "text": "x"}]}', "no_tenant"),
        (b'{"id": "e-1", "tenant": "acme", "parts": []}', "wrong_shape"),
        (b'{"id": "e-1", "tenant": "acme", "parts": [{"type": "text"}]}', "wrong_shape"),
        (b"\x00\x00\x00\x00\x07\x0cavro bytes", "not_json"),
        (b"\x00\x00", "not_json"),
    ],
)
def test_what_is_no_event_is_refused_with_its_code(value: bytes | None, code: str) -> None:
    """Each way of being no event has a code of its own."""
    assert code_of(value) == code


def test_a_value_over_the_outer_limit_is_refused_unread() -> None:
    """Size is judged before the JSON is."""
    assert code_of(b"x" * 101, outer=OuterLimits(record_bytes=100)) == "too_large"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"parts": [{"type": "text", "text": "ok"}, {"type": "text", "text": ["SECRET"]}]},
            "parts[1].text must be a string",
        ),
        ({"stream": {"id": "c", "seq": "SECRET"}}, "stream.seq must be a whole number"),
        ({"context": {"actor": 17}}, "context.actor must be a string"),
        ({"deadline_ms": True}, "deadline_ms must be a whole number"),
    ],
)
def test_a_wrong_shape_names_the_field_and_not_the_content(fields: dict[str, Any], words: str) -> None:
    """The reason stands in headers that many may read."""
    with pytest.raises(NotAnEvent) as caught:
        EventDecoder().envelope(record(orjson.dumps(body(**fields))))
    assert caught.value.code == "wrong_shape"
    assert words in caught.value.reason
    assert "SECRET" not in caught.value.reason


def test_a_schema_registry_prefix_is_skipped() -> None:
    """Confluent's zero byte and schema id before the JSON change nothing."""
    assert read(b"\x00\x00\x00\x00\x2a" + orjson.dumps(body())).id == "e-1"


def test_a_whole_event_is_read_field_by_field() -> None:
    """Everything a producer may say arrives; null is the same as absent."""
    event = read(
        body(
            time="2026-11-23T10:00:00Z",
            context={"actor": "u-17", "attributes": {"level": 3}, "language": None},
            stream={"id": "call-9", "seq": 17, "offset_ms": 85000, "speaker": "s1", "final": True},
            deadline_ms=2000,
        ),
        headers=(("traceparent", b"00-aa-bb-01"), ("tidegate-first-position", b"in:2:77")),
    )
    assert event.parts == (TextPart("parts/0", "hello", None),)
    assert event.stream == Stream("call-9", 17, 85000, "s1", True)
    assert (event.time, event.deadline_ms, event.broker_ms) == ("2026-11-23T10:00:00Z", 2000, 1_800_000_000_000)
    assert event.context["attributes"] == {"level": 3}
    assert (event.traceparent, event.first_position) == ("00-aa-bb-01", Position("in", 2, 77))
    assert event.degraded == []


def test_the_order_key_is_the_stream_then_the_actor_then_the_event_of_a_tenant() -> None:
    """Equal names of different kinds or tenants never share an order."""
    stream = read(body(stream={"id": "x"}, context={"actor": "x"})).order_key
    actor = read(body(context={"actor": "x"})).order_key
    own = read(body(id="x")).order_key
    other = read(body(id="x", tenant="other")).order_key
    assert len({stream, actor, own, other}) == 4
    assert stream == read(body(id="another", stream={"id": "x"})).order_key


def test_unknown_fields_are_ignored_and_counted() -> None:
    """At each depth that the schema describes, and never inside a producer's own attributes."""
    seen: list[int] = []
    decoder = EventDecoder(on_unknown=seen.append)
    sent = body(
        extra=1,
        parts=[{"type": "text", "text": "x", "bold": True}],
        context={"mood": "x", "attributes": {"own": 1}},
        stream={"id": "s", "lag": 1},
    )
    event = decoder.event(decoder.envelope(record(orjson.dumps(sent))), OuterLimits(), received=0.0)
    assert (seen, decoder.unknown_fields) == ([4], 4)
    assert event.context == {"attributes": {"own": 1}}


def test_a_structured_cloudevent_carries_an_event_in_its_data() -> None:
    """The data's own fields win; the attributes fill in what it lacks."""
    event = CloudEvent(
        {**ATTRIBUTES, "tenant": "acme", "datacontenttype": "application/json"}, {"parts": body()["parts"]}
    )
    message = to_structured(event, JSONFormat())
    read_event = read(message.value, headers_of(message))
    assert (read_event.id, read_event.tenant) == ("ce-1", "acme")
    assert read_event.time is not None
    assert read_event.time.startswith("2026-11-23")
    assert read(message.value).id == "ce-1"  # `specversion` alone is enough


def test_a_binary_cloudevent_with_json_data_is_the_event() -> None:
    """With `ce_` headers the value is the data."""
    event = CloudEvent({**ATTRIBUTES, "tenant": "other", "datacontenttype": "application/json"}, body())
    message = to_binary(event, JSONFormat())
    assert (read(message.value, headers_of(message)).id, read(message.value, headers_of(message)).tenant) == (
        "e-1",
        "acme",
    )


def test_a_binary_cloudevent_of_plain_text_is_one_text_part() -> None:
    """Identity, context and stream come from the headers then."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"t-1"),
        ("ce_tenant", b"acme"),
        ("ce_actor", b"u-1"),
        ("ce_role", b"user"),
        ("ce_streamid", b"call"),
        ("ce_streamseq", b"4"),
        ("ce_streamfinal", b"true"),
        ("ce_deadlinems", b"500"),
        ("content-type", b"text/plain; charset=utf-8"),
    )
    event = read("grüß dich".encode(), headers)
    assert event.parts == (TextPart("parts/0", "grüß dich", "user"),)
    assert (event.context, event.stream) == ({"actor": "u-1"}, Stream("call", 4, final=True))
    assert event.deadline_ms == 500
    assert code_of(b"\xff\xfe", headers) == "not_utf8"
    assert code_of(b"x", headers[:2] + headers[3:]) == "no_tenant"
    assert code_of(b"x", (("ce_id", b"\xff"),)) == "bad_header"


def test_the_memory_bound_covers_the_text_and_long_texts_are_heavy() -> None:
    """Credits are taken by this figure before anything is decoded."""
    decoder = EventDecoder()
    short = decoder.envelope(record(orjson.dumps(body())))
    long = decoder.envelope(record(orjson.dumps(body(parts=[{"type": "text", "text": "x" * 50_000}]))))
    assert not short.heavy
    assert long.heavy
    assert long.decoded_bytes >= 200_000
