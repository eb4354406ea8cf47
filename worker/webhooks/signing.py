"""
The signature of a delivery, as Standard Webhooks 1.0 has it, so that receivers can check it with a library.

`webhook-id` is the decision's id: the same for every attempt and repeat. `webhook-timestamp` is the attempt's time in
Unix seconds: a receiver refuses what is old. `webhook-signature` is `v1,` and base64 of HMAC-SHA-256, keyed by the
secret, over id, time and body with dots between.
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed_headers(id: str, body: bytes, secret: bytes, at_s: int) -> dict[str, str]:
    """The three headers. `at_s`: Unix seconds."""
    mac = hmac.digest(secret, b"%s.%d.%s" % (id.encode(), at_s, body), hashlib.sha256)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
