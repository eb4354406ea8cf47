"""Sealed segments as Parquet files, written and searched by DuckDB; nothing is ever fetched for it."""

from __future__ import annotations

import os
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.store.row import COLUMNS, Row

if TYPE_CHECKING:
    import duckdb

_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_NUMBERS = frozenset({"seq", "segment", "time_ms", "action", "types"})
_BYTES = frozenset({"value", "link"})
_LONGEST = 1 << 28  # bytes of one row on its way in


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows in their order; the file is there whole, and on the disk, or not at all."""
    passing = tempfile.NamedTemporaryFile(dir=path.parent, suffix=".csv", delete=False)  # noqa: SIM115
    new = path.with_suffix(".new")
    try:
        with passing:
            for row in rows:
                passing.write(b",".join(map(_plain, row)) + b"\n")
        chosen = ", ".join(_column(name) for name in COLUMNS)
        types = ", ".join(f"'{name}': '{'BIGINT' if name in _NUMBERS else 'VARCHAR'}'" for name in COLUMNS)
        source = (
            f"read_csv(?, header=false, auto_detect=false, delim=',', quote='', escape='', columns={{{types}}},"
            f" max_line_size={_LONGEST}, parallel=false)"
        )
        with _connected() as connection:
            connection.execute(
                f"COPY (SELECT {chosen} FROM {source}) TO '{_quoted(new)}' (FORMAT parquet, COMPRESSION zstd)",
                [passing.name],
            )
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        Path(passing.name).unlink(missing_ok=True)
        new.unlink(missing_ok=True)


def search(paths: Sequence[Path], chosen: str, rest: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """`SELECT chosen FROM the files rest`, with `?` in `rest` for values."""
    names = [str(path) for path in paths if path.exists()]  # one may have expired since it was listed
    if not names:
        return []
    with _connected() as connection:
        return connection.execute(f"SELECT {chosen} FROM read_parquet(?) {rest}", [names, *values]).fetchall()


def rows(path: Path) -> Iterator[Row]:
    """All rows of a file in their order."""
    with _connected() as connection:
        found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?) ORDER BY seq", [str(path)])
        while some := found.fetchmany(1_000):
            yield from (Row(*row) for row in some)


def _connected() -> duckdb.DuckDBPyConnection:
    import duckdb  # a second to load, and only large stores need it

    return duckdb.connect(config={**_OFFLINE, "threads": "1"})


def _plain(value: Any) -> bytes:
    """A number as it is; text and bytes in base64, which no separator can break."""
    if isinstance(value, int):
        return b"%d" % value
    return b64encode(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def _column(name: str) -> str:
    """Out of base64 again; an empty field is read as NULL."""
    if name in _NUMBERS:
        return name
    content = f"from_base64(coalesce({name}, ''))"
    return f"{content} AS {name}" if name in _BYTES else f"decode({content}) AS {name}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
