"""What decodes and fetches for one worker, made as its settings say, and closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from worker.decode.box.boxes import Boxes, DecodingSettings
from worker.decode.claims import ClaimFetcher, ClaimSettings
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import OuterLimits


class Decoding:
    """
    The decoder and what fetches for it.

    Args:
        on_claim: told "fetched", or the code of what was not.
    """

    def __init__(
        self,
        limits: OuterLimits,
        decoding: DecodingSettings,
        claims: ClaimSettings,
        on_claim: Callable[[str], object],
    ) -> None:
        self.claims = ClaimFetcher(claims, on_claim)
        self._boxes = Boxes(decoding) if decoding.isolated else None
        self.decoder = EventDecoder(limits, claims=claims.enabled, media=self._boxes)

    async def close(self) -> None:
        """Let connections and processes go."""
        await self.claims.close()
        if self._boxes is not None:
            await asyncio.to_thread(self._boxes.close)
