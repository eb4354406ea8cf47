"""Answers kept for contents that come again: a bounded memory for each tenant, by its policy's digest and a hash."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from worker.core.views import Floats

_TENANTS = 1_024  # remembered at once; the one that has asked longest ago is forgotten


class Seen:
    """
    What a model said of a text under a policy. Holds digests and scores, never content. One thread.

    A tenant never learns by speed what another has sent, nor pushes it out.

    Args:
        each: answers kept a tenant; 0 keeps none.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._tenants: OrderedDict[str, OrderedDict[bytes, Floats]] = OrderedDict()

    def get(self, tenant: str, policy: str, text: str) -> Floats | None:
        """float32 [C], or None when it is not known."""
        kept = self._tenants.get(tenant)
        key = _key(policy, text)
        if kept is None or key not in kept:
            return None
        kept.move_to_end(key)
        return kept[key]

    def put(self, tenant: str, policy: str, text: str, scores: Floats) -> None:
        """Keep `scores`; the oldest of the tenant's leave when there are too many."""
        if not self._each:
            return
        kept = self._tenants.setdefault(tenant, OrderedDict())
        self._tenants.move_to_end(tenant)
        kept[_key(policy, text)] = scores
        if len(kept) > self._each:
            kept.popitem(last=False)
        if len(self._tenants) > _TENANTS:
            self._tenants.popitem(last=False)

    def __len__(self) -> int:
        return sum(map(len, self._tenants.values()))


def _key(policy: str, text: str) -> bytes:
    return hashlib.blake2b(f"{policy}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
