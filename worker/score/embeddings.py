"""Vectors kept on disk by a digest of what they depend on: embeddings of a policy's sentences, heads made of them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Literal

import numpy as np

from worker.core.views import Floats
from worker.score.weights import cache_folder

_BUSY_S = 30.0
_AT_ONCE = 500  # keys in one question


class Vectors:
    """
    One table of float32 vectors; several processes may share the file. A file that is damaged is begun anew.

    Args:
        table: its name.
    """

    def __init__(self, table: Literal["embeddings", "heads"]) -> None:
        self._table = table
        self._file = cache_folder() / "embeddings.sqlite"

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        """Those of `keys` that are there."""
        try:
            return self._get(keys)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # busy or not writable: not the file's contents
                raise
            self._file.unlink(missing_ok=True)
            return {}

    def put(self, vectors: Mapping[bytes, Floats]) -> None:
        """Keep `vectors`."""
        with closing(sqlite3.connect(self._file, timeout=_BUSY_S)) as database, database:
            self._create(database)
            rows = [(key, vector.tobytes()) for key, vector in vectors.items()]
            database.executemany(f"INSERT OR IGNORE INTO {self._table} VALUES (?, ?)", rows)

    def _get(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        found: dict[bytes, Floats] = {}
        with closing(sqlite3.connect(self._file, timeout=_BUSY_S)) as database, database:
            self._create(database)
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, raw in database.execute(f"SELECT key, vector FROM {self._table} WHERE key IN ({marks})", some):
                    found[key] = np.frombuffer(raw, np.float32)
        return found

    def _create(self, database: sqlite3.Connection) -> None:
        columns = "(key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
        database.execute(f"CREATE TABLE IF NOT EXISTS {self._table} {columns}")


class EmbeddingCache:
    """
    `embed` with a memory. Keys are digests of model and text, so no text is stored.

    Args:
        model_digest: of all that an embedding depends on.
        embed: texts to float32 [N, D].
    """

    def __init__(self, model_digest: str, embed: Callable[[Sequence[str]], Floats]) -> None:
        self._model = model_digest.encode()
        self._embed = embed
        self._vectors = Vectors("embeddings")

    def embed(self, texts: Sequence[str]) -> Floats:
        """float32 [N, D], N >= 1; what is not known yet is computed in one go and kept."""
        keys = [hashlib.sha256(self._model + b"\0" + text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        known = self._vectors.get(list(dict.fromkeys(keys)))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            made = dict(zip(missing, self._embed(list(missing.values())), strict=True))
            known |= made
            self._vectors.put(made)
        return np.stack([known[key] for key in keys])
