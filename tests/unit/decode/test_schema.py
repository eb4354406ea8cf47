"""The fast check, the models and the published schema: three forms of one event.v1 that must not part."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from worker.core.errors import NotAnEvent
from worker.decode.schema import EVENT, event_schema
from worker.decode.shape import check_event

VALIDATOR = Draft202012Validator(event_schema())

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**54) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def _object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the fields, each right or any JSON, and now and then an unknown one."""
    return st.fixed_dictionaries({}, optional={**{k: v | v | v | _JSON for k, v in fields.items()}, "x": _JSON})


_NAME = st.sampled_from(["", "a", "n" * 513, "n" * 1025])
_REF = _object(url=st.text(max_size=3), sha256=_NAME, bytes=st.integers(0, 9))
_PART = _object(
    type=st.sampled_from(["text", "image", "audio", "video"]),
    text=st.text(max_size=3),
    role=_NAME,
    data=st.text(max_size=3),
    ref=_REF,
    mime=_NAME,
    encoding=_NAME,
    rate=st.integers(0, 9),
    channels=st.integers(0, 9),
)
_CONTEXT = _object(channel=_NAME, actor=_NAME, language=_NAME, attributes=st.just({"a": 1}))
_STREAM = _object(id=_NAME, seq=st.integers(0, 9), offset_ms=st.integers(0, 9), speaker=_NAME, final=st.booleans())
_EVENT = _object(
    id=_NAME,
    tenant=_NAME,
    time=_NAME,
    parts=st.lists(_PART, max_size=2),
    context=_CONTEXT,
    stream=_STREAM,
    deadline_ms=st.integers(0, 9),
)


def _accepted(sent: Any) -> bool:
    try:
        EVENT.validate_python(sent, strict=True)
    except ValidationError:
        return False
    return True


@given(_EVENT | _JSON | st.builds(lambda e, p: {"id": "a", "tenant": "b", "parts": [p], **e}, _EVENT, _PART))
def test_the_fast_check_accepts_exactly_what_the_models_accept(sent: Any) -> None:
    """The schema is generated from the models, so the two must never part."""
    try:
        check_event(sent)
    except NotAnEvent:
        assert not _accepted(sent)
    else:
        assert _accepted(sent)
        VALIDATOR.validate(sent)


def test_the_schema_is_a_valid_schema_and_names_each_type_of_part() -> None:
    """What producers write against."""
    schema = event_schema()
    Draft202012Validator.check_schema(schema)
    assert {"TextPartV1", "ImagePartV1", "AudioPartV1", "OtherPartV1"} <= schema["$defs"].keys()
