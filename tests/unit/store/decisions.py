"""Decisions to put into a store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from worker.core.clock import FakeClock
from worker.store.settings import StoreSettings
from worker.store.writing import StoreWriter

DAY_S = 86_400.0


def decision(number: int, *, tenant: str = "acme", at: float = 1_800_000_000.0, **more: Any) -> dict[str, Any]:
    """A decision.v1 of the action that `number` asks for: allow, flag, block in turn."""
    action = ("allow", "flag", "block")[number % 3]
    reason = {"category": "hate/threatening", "type": "text", "action": action, "score": 0.9, "threshold": 0.5}
    return {
        "id": f"d-{tenant}-{number}",
        "event_id": f"e-{number}",
        "tenant": tenant,
        "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "types": ["text"],
        "action": action,
        "reasons": [] if action == "allow" else [reason],
        "scores": {"hate": 0.1, "hate/threatening": 0.9},
        "hits": [],
        "context": {},
        "overrides": [],
        "policy": {"id": "default", "version": "1", "digest": "sha256:" + "0" * 64, "basis": "0" * 16},
        "models": [],
        "degraded": None,
        "content_hmac": None,
        "source": {"topic": "moderation.events", "partition": 0, "offset": number},
        "latency_ms": {"queue": 0, "score": 1, "total": 1},
        **more,
    }


def values(*numbers: int, **more: Any) -> list[bytes]:
    return [orjson.dumps(decision(number, **more)) for number in numbers]


def writer(folder: Path, clock: FakeClock | None = None, **settings: Any) -> StoreWriter:
    return StoreWriter(folder, StoreSettings(path=folder, **settings), clock or FakeClock())
