"""Embeddings of a policy's sentences, kept on disk by model and text, so that no start makes them again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np

from worker.core.views import Floats
from worker.score.weights import cache_folder

_TABLE = "CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
_BUSY_S = 30.0


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
        self._file = cache_folder() / "embeddings.sqlite"

    def embed(self, texts: Sequence[str]) -> Floats:
        """float32 [N, D], N >= 1; what is not known yet is computed in one go and kept."""
        keys = [hashlib.sha256(self._model + b"\0" + text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        with closing(sqlite3.connect(self._file, timeout=_BUSY_S)) as database, database:
            database.execute(_TABLE)
            known = {
                key: np.frombuffer(found[0], np.float32)
                for key in dict.fromkeys(keys)
                if (found := database.execute("SELECT vector FROM embeddings WHERE key = ?", (key,)).fetchone())
            }
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            made = dict(zip(missing, self._embed(list(missing.values())), strict=True))
            known |= made
            with closing(sqlite3.connect(self._file, timeout=_BUSY_S)) as database, database:
                rows = [(key, vector.tobytes()) for key, vector in made.items()]
                database.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?)", rows)
        return np.stack([known[key] for key in keys])
