"""What decodes and fetches for one worker, made as its settings say, and closed with it."""

from __future__ import annotations

from collections.abc import Callable

from worker.decode.claims import ClaimFetcher, ClaimSettings
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import OuterLimits


class Decoding:
    """
    The decoder and what fetches for it.

    Args:
        on_claim: told "fetched", or the code of what was not.
    """

    def __init__(self, limits: OuterLimits, claims: ClaimSettings, on_claim: Callable[[str], object]) -> None:
        self.claims = ClaimFetcher(claims, on_claim)
        self.decoder = EventDecoder(limits, claims=claims.enabled)

    async def close(self) -> None:
        """Let connections go."""
        await self.claims.close()
