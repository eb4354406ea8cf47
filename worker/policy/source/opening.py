"""From settings to the source that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from worker.core.ports import Tail
from worker.policy.settings import PolicySourceSettings, place_of
from worker.policy.source import PolicySource
from worker.policy.source.bundle import BundleSource
from worker.policy.source.folder import FolderSource
from worker.policy.source.topic import TopicSource


def open_source(policies: str, options: PolicySourceSettings, open_tail: Callable[[str], Tail]) -> PolicySource:
    """
    The source of `policies`.

    open_tail: a fresh tail of a topic, from its beginning.
    """
    kind, where = place_of(policies)
    if kind == "folder":
        return FolderSource(Path(where))
    if kind == "topic":
        return TopicSource(lambda: open_tail(where), where, timeout_s=options.timeout_s, max_bytes=options.max_bytes)
    return BundleSource(
        where,
        poll_s=options.poll_s,
        timeout_s=options.timeout_s,
        max_bytes=options.max_bytes,
        token=options.token.get_secret_value() if options.token else None,
    )
