"""Per-key order: decisions leave in the order their events came, whatever the models' speeds."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class OrderGate(Generic[T]):
    """
    Holds what is done until everything before it under the same key is done too. Pure.

    Every item enters once, in arrival order, and is done once; `done` gives what may leave now, in order.
    """

    __slots__ = ("_done", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}
        self._done: set[int] = set()  # id() of items that are done but not at the head

    def enter(self, key: Hashable, item: T) -> None:
        """Take a place in the order of `key`."""
        queue = self._waiting.get(key)
        if queue is None:
            self._waiting[key] = deque((item,))
        else:
            queue.append(item)

    def is_free(self, key: Hashable) -> bool:
        """True when nothing waits under `key`: an item done at once may leave without entering."""
        return key not in self._waiting

    def done(self, key: Hashable, item: T) -> list[T]:
        """Mark `item` done; returns the items of `key` that may leave now, oldest first."""
        queue = self._waiting[key]
        if queue[0] is not item:
            self._done.add(id(item))
            return []
        released = [queue.popleft()]
        while queue and id(queue[0]) in self._done:
            head = queue.popleft()
            self._done.discard(id(head))
            released.append(head)
        if not queue:
            del self._waiting[key]
        return released

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))
