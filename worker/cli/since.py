"""How the verbs read `--since`: 30m, 6h, 7d, or a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from worker.core.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def since_ms(text: str) -> int:
    if match := re.fullmatch(r"(\d+)([smhd])", text):
        return int((datetime.now(UTC) - timedelta(seconds=int(match[1]) * _UNITS[match[2]])).timestamp() * 1000)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since {text} is no time: give 30m, 6h, 7d or 2026-11-23T10:00:00Z") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
