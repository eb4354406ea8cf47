"""One tiny guard of each family a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch

from tests.unit.score.models.guard.tiny import Tiny, tiny


@pytest.fixture(scope="session")
def guard_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """A family's tiny guard by name."""

    @cache
    def made(name: str) -> Tiny:
        return tiny(name, tmp_path_factory.mktemp("guard") / name)

    return made


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small lose by sharing their work, on a busy machine tenfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def nemotron(guard_of: Callable[[str], Tiny]) -> Tiny:
    """The family whose sliding windows make reuse hardest."""
    return guard_of("nemotron")
