"""What many policies have in common, made once: kept as long as one of them holds it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

V = TypeVar("V")


class Shared(Generic[V]):
    """Values by key, held weakly: with the last policy that has one it is gone. Safe to use from several threads."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[Hashable, V] = WeakValueDictionary()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`, made when nobody holds it; its making is outside the lock, since it may take seconds."""
        if (found := self.known(key)) is not None:
            return found
        made = make()
        with self._lock:
            return self._held.setdefault(key, made)

    def known(self, key: Hashable) -> V | None:
        """The value of `key` when somebody holds it."""
        with self._lock:
            return self._held.get(key)
