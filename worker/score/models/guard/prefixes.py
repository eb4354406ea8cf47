"""Keys and values of prefixes, computed once: least recently used ones leave when the budget of bytes is spent."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True)
class Prefix:
    """A pristine cache of transformers for one row of `tokens` tokens; never given to a model, only copied."""

    cache: Any
    tokens: int
    nbytes: int

    @classmethod
    def of(cls, cache: Any, tokens: int) -> Prefix:
        """Take over what a forward of the prefix alone has left in `cache`."""
        held = [t for layer in cache.layers for t in (layer.keys, layer.values) if t is not None]
        # sliding layers are views of all that was computed: only the window is worth its memory
        for layer in cache.layers:
            if layer.keys is not None:
                layer.keys, layer.values = layer.keys.contiguous(), layer.values.contiguous()
        return cls(cache, tokens, sum(t.numel() * t.element_size() for t in held))

    def for_batch(self, rows: int) -> Any:
        """
        A cache for a batch of `rows`, all of which begin with the prefix.

        Layers of every kind (full, sliding) are copied with their counts; keys and values are views, since a layer
        never writes in place: it puts new ones behind them in a tensor of its own.
        """
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        for layer in cache.layers:
            if layer.keys is not None:
                layer.keys = layer.keys.expand(rows, -1, -1, -1)
                layer.values = layer.values.expand(rows, -1, -1, -1)
        return cache


class Prefixes:
    """
    An LRU of prefixes by key. Safe to use from several threads.

    Args:
        nbytes: the budget; a prefix larger than it is never kept.
    """

    def __init__(self, nbytes: int) -> None:
        self._budget = nbytes
        self._kept: OrderedDict[bytes, Prefix] = OrderedDict()
        self._lock = Lock()
        self.nbytes = 0
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> Prefix | None:
        """The prefix, now the last to leave; None when it is not there."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._kept.move_to_end(key)
            return found

    def put(self, key: bytes, prefix: Prefix) -> None:
        """Keep `prefix` while there is room."""
        with self._lock:
            if prefix.nbytes > self._budget or key in self._kept:
                return
            self._kept[key] = prefix
            self.nbytes += prefix.nbytes
            while self.nbytes > self._budget:
                _, gone = self._kept.popitem(last=False)
                self.nbytes -= gone.nbytes

    def clear(self) -> None:
        """Let go of everything: memory is needed elsewhere."""
        with self._lock:
            self._kept.clear()
            self.nbytes = 0
