"""The endpoint stands on loopback, and beyond it only with keys and without sending them in the clear."""

from __future__ import annotations

from typing import Any

import pytest

from worker.core.errors import ConfigError
from worker.settings import load


def test_loopback_is_the_default() -> None:
    """And nothing more is needed there."""
    serve = load(None, {}).serve
    assert (serve.host, serve.enabled, serve.keys) == ("127.0.0.1", False, None)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"serve.host": "0.0.0.0"}, "name a file of keys"),
        ({"serve.host": "0.0.0.0", "serve.keys": "k.json"}, "in the clear"),
        ({"serve.tls_key": "key.pem"}, "belong together"),
    ],
)
def test_an_open_door_is_refused(flags: dict[str, Any], said: str) -> None:
    """At the start, with what to change."""
    with pytest.raises(ConfigError, match=said):
        load(None, flags)


def test_behind_a_proxy_that_ends_tls_it_may_stand_outside() -> None:
    """With keys, and without a console that nobody guards."""
    flags = {"serve.host": "0.0.0.0", "serve.keys": "k.json", "serve.behind_proxy": True, "console.enabled": False}
    assert load(None, flags).serve.host == "0.0.0.0"
