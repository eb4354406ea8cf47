"""structlog set-up: JSON lines off a terminal, readable ones on it. Never content: ids, sizes and digests only."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

# Keys that could carry what a user wrote or a secret; a line that has one loses its value, and says so.
_NEVER = frozenset({"text", "value", "payload", "content", "password", "secret", "token", "transcript"})


def redact(_logger: Any, _name: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace the value of any key that must not be logged."""
    for key in _NEVER & line.keys():
        line[key] = "[redacted]"
    return line


def configure(*, level: str = "info", stream: TextIO | None = None, json: bool | None = None) -> None:
    """
    Set up logging for the process, standard library included.

    Args:
        level: debug, info, warning or error.
        stream: where lines go; standard error unless given, since standard output is for results.
        json: None decides by whether `stream` is a terminal.
    """
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=24)
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # aiokafka and friends log by the standard library: the same lines, the same stream.
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
