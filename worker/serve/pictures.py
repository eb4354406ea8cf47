"""Pictures of a moderation request that lie elsewhere: fetched by the claim check before it becomes events."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Iterable
from typing import Any

from worker.core.errors import OverLimit, PartUnreadable
from worker.core.events import Claim
from worker.core.ports import Claims
from worker.serve.problems import Refused


class Pictures:
    """
    OpenAI's `image_url` has neither length nor digest, so what comes is held to a size alone.

    Args:
        most: bytes of one picture.
        most_all: bytes of all pictures of one request.
    """

    def __init__(self, claims: Claims, *, most: int, most_all: int) -> None:
        self._claims, self._most, self._most_all = claims, most, most_all

    async def fill(self, parts: Iterable[dict[str, Any]], tenant: str, within_s: float | None) -> None:
        """
        Put content as base64 `data` where a part has a `url`, one after the other.

        Raises:
            Refused: 413, 422 or 504; the address is not said.
        """
        left = self._most_all
        try:
            async with asyncio.timeout(within_s):
                for part in parts:
                    if (url := part.pop("url", None)) is not None:
                        content = await self._claims.fetch(Claim(0, url, None, min(self._most, left)), tenant)
                        left -= len(content)
                        part["data"] = binascii.b2a_base64(content, newline=False).decode()
        except PartUnreadable as error:
            raise Refused(413 if isinstance(error, OverLimit) else 422, error.code, error.reason) from None
        except TimeoutError:
            raise Refused(504, "deadline", "the deadline passed before its pictures were fetched") from None
