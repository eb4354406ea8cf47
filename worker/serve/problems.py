"""What goes wrong, as problem+json (RFC 9457), with an `error` beside it that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.responses import Response


class Refused(Exception):
    """
    A request that is not answered.

    Args:
        status: HTTP status.
        code: stable snake_case name of the reason.
        detail: one sentence for people, without content.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers


def problem(refused: Refused) -> Response:
    """The answer."""
    body = {
        "type": f"urn:tidegate:problem:{refused.code}",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
        "code": refused.code,
        "error": {"message": refused.detail, "type": "tidegate", "param": None, "code": refused.code},
    }
    return Response(
        orjson.dumps(body), refused.status, dict(refused.headers or {}), media_type="application/problem+json"
    )
