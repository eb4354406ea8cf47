"""One forward, no generation: the log-odds of a violation at the forced position, for batches of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import structlog
import torch
from transformers import DynamicCache

from worker.core.errors import ModelFailed
from worker.core.views import Floats
from worker.score.models.guard.cascade import Packed, can_cascade, forwarding, prepare
from worker.score.models.guard.head import Head
from worker.score.models.guard.lots import lots, side_by_side
from worker.score.models.guard.prefixes import Prefix, Prefixes
from worker.score.models.guard.prompts import Row

_log = structlog.get_logger(__name__)

PictureInputs = Callable[[Row], dict[str, torch.Tensor]]
_WORTH_SHARING = 16  # fewer shared tokens cost more to keep than to read again
_LEAST_TOKENS = 64  # a ceiling that out of memory never goes below


class OneForward:
    """
    Runs a causal model over rows. Threads may ask at once: the device's, and the one that compiles policies.

    A shared prefix is read once, and its keys and values stand before the rows of every batch. On CPU rows are packed
    behind each other (`cascade`). Elsewhere they are padded on the right: what is causal never looks at padding, so no
    mask is needed, and a token's place is its position, which sliding windows count by.

    Args:
        model: of transformers, in eval mode, on its device.
        batch_rows, batch_tokens: most rows and most tokens (with padding, where there is any) of one forward.
        prefixes: where keys and values of prefixes are kept; None reads every row whole.
        picture_inputs: a row with a picture to the model's inputs, batch of one.
    """

    def __init__(
        self,
        model: Any,
        *,
        batch_rows: int = 32,
        batch_tokens: int = 16_384,
        prefixes: Prefixes | None = None,
        picture_inputs: PictureInputs | None = None,
    ) -> None:
        self.model = model
        self.head = Head(model)
        self.packs = can_cascade(model)  # rows behind each other, without padding
        if self.packs:
            prepare(model)
        self._device = next(model.parameters()).device
        self._rows, self.ceiling = batch_rows, batch_tokens
        self._prefixes = prefixes
        self._picture_inputs = picture_inputs
        self._copies: Any = torch.cuda.Stream() if self._device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def margins(self, rows: Sequence[Row]) -> Floats:
        """
        float32 [N], log-odds of a violation, as the labels share out the probability that they have together.

        Raises:
            ModelFailed: the model raised, or gave no finite number; which row is at fault is for the caller to halve.
        """
        found = np.full(len(rows), np.nan, np.float32)
        try:
            for prefix, places in self._groups(rows):
                for batch in self._batches(rows, places, prefix):
                    self._run(rows, batch, prefix, found)
        except torch.OutOfMemoryError as error:
            raise ModelFailed(f"out of memory for a batch of {len(rows)} rows, even one by one") from error
        except (RuntimeError, ValueError, IndexError) as error:
            raise ModelFailed(f"the guard failed on {len(rows)} rows: {type(error).__name__}") from error
        if not np.isfinite(found).all():
            raise ModelFailed(f"the guard gave no finite logit for {int((~np.isfinite(found)).sum())} rows")
        return found

    def _groups(self, rows: Sequence[Row]) -> Iterator[tuple[Prefix | None, list[int]]]:
        """Places of rows with what they begin with, the largest saving first kept in memory only while it is used."""
        groups: dict[bytes, list[int]] = {}
        alone: list[int] = []
        for place, row in enumerate(rows):
            if self._prefixes is None or row.picture is not None or row.shared < _WORTH_SHARING:
                alone.append(place)
            else:
                key = hashlib.sha256(row.ids[: row.shared].tobytes()).digest()
                groups.setdefault(key, []).append(place)
        for key, places in groups.items():
            first = rows[places[0]]
            if first.kept or len(places) > 1:
                yield self._prefix(key, first), places
            else:
                alone += places
        if alone:
            yield None, alone

    def _prefix(self, key: bytes, row: Row) -> Prefix:
        assert self._prefixes is not None
        found = self._prefixes.get(key) if row.kept else None
        if found is None:
            cache = DynamicCache(config=self.model.config)
            with torch.inference_mode():
                self.head.hidden(input_ids=self._to_device(row.ids[None, : row.shared]), past_key_values=cache)
            found = Prefix.of(cache, row.shared)
            if row.kept:
                self._prefixes.put(key, found)
        return found

    def _batches(self, rows: Sequence[Row], places: list[int], prefix: Prefix | None) -> Iterator[list[int]]:
        """Places in order of length, as many at once as the ceilings allow; pictures one by one."""
        known = prefix.tokens if prefix else 0
        batch: list[int] = []
        for place in sorted(places, key=lambda p: len(rows[p].ids)):
            if rows[place].picture is not None:
                yield [place]
                continue
            full = batch and self._tokens(rows, [*batch, place], known) > self.ceiling
            if full or len(batch) == self._rows:
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _tokens(self, rows: Sequence[Row], batch: Sequence[int], known: int) -> int:
        """What one forward reads: the rows' own tokens, padded where they are not packed."""
        own = [len(rows[place].ids) - known for place in batch]
        return sum(own) if self.packs else len(own) * max(own)

    def _run(self, rows: Sequence[Row], batch: list[int], prefix: Prefix | None, found: Floats) -> None:
        try:
            found[batch] = self._forward([rows[place] for place in batch], prefix)
            return
        except torch.OutOfMemoryError:
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            known = prefix.tokens if prefix else 0
            tokens = self._tokens(rows, batch, known)
            if len(batch) == 1:
                if self._prefixes is None or not len(self._prefixes):
                    raise
                self._prefixes.clear()  # the last memory there is to give back
                found[batch] = self._forward([rows[place] for place in batch], None)
                return
            self.ceiling = max(_LEAST_TOKENS, min(self.ceiling, tokens // 2))
            _log.warning("guard.out_of_memory", rows=len(batch), tokens=tokens, ceiling=self.ceiling)
        middle = len(batch) // 2  # outside the handler, which would hold the failed batch's memory
        self._run(rows, batch[:middle], prefix, found)
        self._run(rows, batch[middle:], prefix, found)

    def _forward(self, rows: Sequence[Row], prefix: Prefix | None) -> Floats:
        """float32 [B] for one batch that fits."""
        known = prefix.tokens if prefix else 0
        with torch.inference_mode():
            if rows[0].picture is not None:
                assert self._picture_inputs is not None, "a picture and no processor. This is a bug."
                inputs = {name: value.to(self._device) for name, value in self._picture_inputs(rows[0]).items()}
                last = torch.tensor([inputs["input_ids"].shape[1] - 1], device=self._device)
                hidden = self.head.hidden(**inputs, use_cache=False)
            elif self.packs:
                return self._packed(rows, prefix)
            else:
                lengths = [len(row.ids) - known for row in rows]
                ids = np.zeros((len(rows), max(lengths)), np.int32)
                for place, row in enumerate(rows):
                    ids[place, : lengths[place]] = row.ids[known:]
                last = torch.tensor(lengths, device=self._device) - 1
                hidden = self.head.hidden(
                    input_ids=self._to_device(ids),
                    past_key_values=prefix.for_batch(len(rows)) if prefix else None,
                    use_cache=prefix is not None,
                )
            return self.head.margins(hidden[torch.arange(len(rows), device=self._device), last], rows)

    def _packed(self, rows: Sequence[Row], prefix: Prefix | None) -> Floats:
        """float32 [B], rows behind each other without padding, in lots that share out the cores."""
        known, cores = prefix.tokens if prefix else 0, torch.get_num_threads()
        found = np.empty(len(rows), np.float32)

        def judge(places: list[int]) -> None:
            some = [rows[place] for place in places]
            packed = Packed.of(some, prefix)
            with torch.inference_mode(), forwarding(packed) as inputs:  # both of this thread alone
                found[places] = self.head.margins(self.head.hidden(**inputs)[0, packed.last], some)

        side_by_side(judge, lots([len(row.ids) - known for row in rows], cores), cores)
        return found

    def _to_device(self, ids: np.ndarray[Any, Any]) -> torch.Tensor:
        """int64 on the model's device, by pinned memory and a stream of its own where that is CUDA."""
        tensor = torch.from_numpy(np.ascontiguousarray(ids)).long()
        if self._copies is None:
            return tensor
        with torch.cuda.stream(self._copies):
            moved = tensor.pin_memory().to(self._device, non_blocking=True)
        torch.cuda.current_stream().wait_stream(self._copies)
        moved.record_stream(torch.cuda.current_stream())
        return moved
