"""The signature is that of Standard Webhooks: its own example, and any change breaks it."""

from __future__ import annotations

import base64

from worker.webhooks.signing import signed_headers

# Standard Webhooks' reference: secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, message as below
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID, BODY, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330


def test_the_references_own_example_is_met() -> None:
    """Of standardwebhooks' libraries, which receivers check with."""
    headers = signed_headers(ID, BODY, SECRET, AT)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (ID, str(AT))


def test_id_time_and_body_are_all_signed() -> None:
    """A replay under another id or time has another signature."""
    first = signed_headers(ID, BODY, SECRET, AT)["webhook-signature"]
    others = [(ID + "x", BODY, AT), (ID, BODY + b" ", AT), (ID, BODY, AT + 1)]
    assert all(signed_headers(id, body, SECRET, at)["webhook-signature"] != first for id, body, at in others)
