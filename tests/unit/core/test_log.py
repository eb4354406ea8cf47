"""Logs: one JSON line each, on standard error, without what a user wrote."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from worker.core.log import configure, redact

FORBIDDEN = ("text", "value", "payload", "content", "password", "secret", "token", "transcript")


@pytest.fixture
def lines() -> io.StringIO:
    """What is logged while a test runs."""
    stream = io.StringIO()
    logging.getLogger().handlers.clear()  # `configure` closes those it finds, and pytest's are not ours to close
    configure(stream=stream, json=True)
    return stream


@pytest.mark.parametrize("key", FORBIDDEN)
def test_a_line_never_carries_what_a_user_wrote(lines: io.StringIO, key: str) -> None:
    """The value is replaced and the line says so."""
    structlog.get_logger("t").info("batch.done", **{key: "a private sentence"})
    assert json.loads(lines.getvalue())[key] == "[redacted]"
    assert "private" not in lines.getvalue()


@given(st.dictionaries(st.sampled_from((*FORBIDDEN, "id", "bytes", "digest")), st.text(min_size=12), max_size=6))
def test_only_the_forbidden_keys_lose_their_values(line: dict[str, str]) -> None:
    """Ids, sizes and digests stay as they are."""
    kept = redact(None, "info", dict(line))
    assert kept == {k: "[redacted]" if k in FORBIDDEN else v for k, v in line.items()}


def test_a_line_has_level_time_and_event(lines: io.StringIO) -> None:
    """One JSON object a line, with a UTC time stamp."""
    structlog.get_logger("t").warning("commit.failed", partitions=3)
    found = json.loads(lines.getvalue())
    assert (found["event"], found["level"], found["partitions"]) == ("commit.failed", "warning", 3)
    assert found["timestamp"].endswith("Z")


def test_libraries_log_in_the_same_form(lines: io.StringIO) -> None:
    """What comes by the standard library is JSON on the same stream, with its logger's name."""
    logging.getLogger("aiokafka").warning("heartbeat failed")
    found = json.loads(lines.getvalue())
    assert (found["event"], found["level"], found["logger"]) == ("heartbeat failed", "warning", "aiokafka")


def test_lines_under_the_level_are_left_out(lines: io.StringIO) -> None:
    """`info` is the default: debug lines cost nothing and say nothing."""
    structlog.get_logger("t").debug("poll")
    assert lines.getvalue() == ""


def test_an_exception_is_written_into_its_line(lines: io.StringIO) -> None:
    """A traceback is a field of the JSON line, not lines of its own."""
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        structlog.get_logger("t").exception("loop.failed")
    found = json.loads(lines.getvalue())
    assert "RuntimeError: boom" in found["exception"]
