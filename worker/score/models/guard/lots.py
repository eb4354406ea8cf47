"""Lots of packed rows side by side, each on cores of its own: cores that share a product wait for each other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

import torch

_LEAST, _USUAL = 512, 1_024  # tokens of a lot: with fewer the products are small, more gain nothing


def lots(tokens: Sequence[int], cores: int) -> list[list[int]]:
    """
    Places of rows in lots of about the same size, a whole number of them for each that can run at once.

    Args:
        tokens: of each row, at least one row. cores: to share out, at least 1.
    """
    total = sum(tokens)
    at_once = max(1, min(cores, total // _LEAST))
    count = min(len(tokens), at_once * max(1, round(total / at_once / _USUAL)))
    found: list[list[int]] = [[] for _ in range(count)]
    sizes = [0] * count
    for place in sorted(range(len(tokens)), key=lambda p: -tokens[p]):  # the longest first, to the lightest
        lightest = sizes.index(min(sizes))
        found[lightest].append(place)
        sizes[lightest] += tokens[place]
    return found


def side_by_side(run: Callable[[list[int]], None], some: Sequence[list[int]], cores: int) -> None:
    """
    `run` every lot, as many at once as there are cores, which they share out; back when all have ended.

    Threads are made for the batch: one that hangs for good takes no place from the next batch, nor keeps the process
    from ending.

    Raises:
        Exception: the first that `run` raised; what had begun by then has ended, the rest was left.
    """
    if len(some) == 1 or cores == 1:
        for lot in some:
            run(lot)
        return
    waiting, failed = deque(some), list[Exception]()
    at_once = min(cores, len(some))
    ready = threading.Barrier(at_once + 1)

    def work() -> None:
        torch.set_num_threads(cores // at_once)  # of this thread, and of those that begin later: undone below
        ready.wait()
        while not failed:
            try:
                lot = waiting.popleft()
            except IndexError:
                return
            try:
                run(lot)
            except Exception as error:  # noqa: BLE001  # raised again by the thread that waits
                failed.append(error)

    threads = [threading.Thread(target=work, name=f"guard-lot-{n}", daemon=True) for n in range(at_once)]
    for thread in threads:
        thread.start()
    ready.wait()
    torch.set_num_threads(cores)
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
