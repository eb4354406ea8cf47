"""A store as a log: decision.v1 lines for the policy tools, oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worker.store.file import archive, reading
from worker.store.reading import DecisionStore, Query


@dataclass(frozen=True, slots=True)
class StoreLog:
    """All decisions of a store. Raises ConfigError when it cannot be read."""

    folder: Path

    def size(self) -> int:
        """Bytes of the decisions; of archived ones, of their compressed files: for a progress bar."""
        with reading(self.folder) as file:
            near: int = file.execute("SELECT COALESCE(SUM(LENGTH(value) + 1), 0) FROM decisions").fetchone()[0]
        return near + sum(path.stat().st_size for path in archive(self.folder, 0).parent.glob("*.parquet"))

    def pages(self, size: int) -> Iterator[bytes]:
        """Lines, about `size` bytes at a time."""
        lines: list[bytes] = []
        held = 0
        for row in DecisionStore(self.folder).walk(Query()):
            lines.append(row.value)
            held += len(row.value) + 1
            if held >= size:
                yield b"\n".join([*lines, b""])
                lines, held = [], 0
        if lines:
            yield b"\n".join([*lines, b""])

    def __str__(self) -> str:
        return str(self.folder)
