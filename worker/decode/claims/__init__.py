"""Content by `ref`: where it may lie, how it is fetched, and what it is held to before anything decodes it."""

from worker.decode.claims.fetch import ClaimFetcher
from worker.decode.claims.settings import ClaimSettings

__all__ = ["ClaimFetcher", "ClaimSettings"]
