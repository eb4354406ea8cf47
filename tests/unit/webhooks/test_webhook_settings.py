"""A webhook goes over https to a place without credentials, with a secret that is worth the name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from worker.webhooks.settings import Webhook, WebhookSettings

SECRET = "s" * 24


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "https://", "https://a:b@example.org/", "https://example.org/#x", "file:///etc/passwd"],
)
def test_another_address_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError, match="https://HOST"):
        Webhook(url=url, secret=SECRET)


@pytest.mark.parametrize("changes", [{"secret": "short"}, {"actions": []}, {"actions": ["delete"]}])
def test_a_webhook_is_whole(changes: dict[str, Any]) -> None:
    """A secret, and actions that there are."""
    with pytest.raises(ValidationError):
        Webhook(**{"url": "https://example.org/", "secret": SECRET} | changes)


def test_no_setting_opens_the_metadata_service() -> None:
    """As for the claim check."""
    with pytest.raises(ValidationError, match="metadata"):
        WebhookSettings(networks=("169.254.0.0/16",))
