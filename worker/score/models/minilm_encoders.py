"""The two ways to run MiniLM's encoder: CTranslate2 on the CPU, torch in half precision on CUDA."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from worker.core.errors import ConfigError
from worker.core.views import Floats
from worker.score.features import WIDTH, Reading
from worker.score.models.adapted import LABELS, Adaptation, adaptation
from worker.score.weights import MINILM, MINILM_CONFIG, cache_folder, content_digest, file_digest, verified

_log = structlog.get_logger(__name__)

Ids = npt.NDArray[np.int32]
Read = Callable[[Sequence[Ids]], Reading]

_DIMENSIONS = 384
# Padded tokens of one forward pass: 512 stay in a core's cache (2,048 was a third slower), a GPU wants more.
_CPU_TOKENS = 512
_CUDA_TOKENS = 65_536
_AVX512 = ("avx512f", "avx512cd", "avx512vl", "avx512bw", "avx512dq")


class Encoder(Protocol):
    """Token ids to embeddings and what the trained heads say, in one pass."""

    @property
    def precision(self) -> str:
        """What it computes in, e.g. `int8`; scores depend on it, so digests do."""
        ...

    @property
    def adaptation(self) -> Adaptation:
        """The deltas and heads it runs."""
        ...

    def read(self, rows: Sequence[Ids]) -> Reading:
        """Of int32 [n] ids with special tokens, N rows."""
        ...

    @property
    def glance(self) -> Read | None:
        """The same sooner and less exactly: enough to tell what needs no closer look. None where nothing is sooner."""
        ...


def encoder_for(device: str, threads: int) -> Encoder:
    """
    The encoder for "cpu", "cuda" or "auto".

    Raises:
        ConfigError: CUDA was asked for and there is none, or no such device is known.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device {device} is not known: set it to auto, cpu or cuda")
    if device != "cpu" and _cuda_devices():
        return CudaEncoder()
    if device == "cuda":
        raise ConfigError("device is set to cuda and there is none: set it to auto or cpu, or mend the driver")
    return CpuEncoder(threads)


class CpuEncoder:
    """
    CTranslate2, on a copy converted once from the pinned weights and kept in the cache folder.

    precision: "float32" judges as the published model does, and has int8 beside it to glance with. "int8" alone is
    nearly three times as fast and on the OpenAI moderation set changed one verdict in forty.

    One single-threaded worker a core: with two of them two short batches at a time ran 1.6 times as fast as one batch
    on two threads.
    """

    def __init__(self, threads: int, precision: str = "float32", adapted: Adaptation | None = None) -> None:
        if precision not in ("float32", "int8"):
            raise ConfigError(f"precision {precision} is not known on the cpu: set it to float32 or int8")
        self.precision = precision if precision == "int8" else f"{precision} after int8"
        self.adaptation = adapted or adaptation()
        _prefer_avx512()
        import ctranslate2

        def loaded(precision: str) -> Any:
            folder = str(converted(precision, self.adaptation))
            return ctranslate2.Encoder(
                folder, device="cpu", compute_type=precision, inter_threads=threads, intra_threads=1
            )

        self._view = ctranslate2.StorageView.from_array
        self._model = loaded(precision)
        self._quick = None if precision == "int8" else loaded("int8")
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="minilm")

    def read(self, rows: Sequence[Ids]) -> Reading:
        """See `Encoder`."""
        return _in_slices(rows, _CPU_TOKENS, partial(self._forward, self._model), self._pool)

    @property
    def glance(self) -> Read | None:
        """In int8: log-odds are off by 0.06 in the median, by 0.4 in one of a hundred."""
        if self._quick is None:
            return None
        forward = partial(self._forward, self._quick)
        return lambda rows: _in_slices(rows, _CPU_TOKENS, forward, self._pool)

    def _forward(self, model: Any, ids: Ids, lengths: Ids) -> Reading:
        hidden = np.asarray(model.forward_batch(self._view(ids), self._view(lengths)).last_hidden_state)
        mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.float32)
        sums = np.matmul(mask[:, None, :], hidden)[:, 0]
        return self.adaptation.reading(hidden, lengths, sums)


class CudaEncoder:
    """torch and transformers in bfloat16, or float16 on GPUs without it."""

    def __init__(self) -> None:
        import torch

        self.adaptation = adaptation()
        self.glance: Read | None = None  # half precision is quick
        self._torch = torch
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        self.precision = str(dtype).removeprefix("torch.")
        self._model: Any = merged(self.adaptation).to("cuda", dtype)

    def read(self, rows: Sequence[Ids]) -> Reading:
        """See `Encoder`."""
        return _in_slices(rows, _CUDA_TOKENS, self._forward, None)

    def _forward(self, ids: Ids, lengths: Ids) -> Reading:
        torch = self._torch
        with torch.inference_mode():
            on_device = torch.from_numpy(ids).to("cuda", torch.int64)
            mask = torch.arange(ids.shape[1], device="cuda") < torch.from_numpy(lengths).to("cuda")[:, None]
            hidden = self._model(input_ids=on_device, attention_mask=mask.long()).last_hidden_state.float()
            sums: Floats = (hidden * mask[:, :, None]).sum(1).cpu().numpy()
            return self.adaptation.reading(hidden.cpu().numpy(), lengths, sums)


def merged(adapted: Adaptation) -> Any:
    """The published model in torch and fp32, with the deltas added to its weights."""
    import torch
    from transformers import AutoModel

    MINILM_CONFIG.path()
    # its own dtype argument would also be taken by a checkpoint that says another one
    model: Any = AutoModel.from_pretrained(MINILM.path().parent, local_files_only=True).float().eval()
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for layer, delta in adapted.deltas.items():
            weights[layer] += torch.from_numpy(delta)
    return model


def converted(precision: str, adapted: Adaptation) -> Path:
    """
    The folder of the copy in `precision`; made on first use, and checked on every start.

    Several processes may make it at once: the first to finish wins.

    Raises:
        WeightsRejected: the pinned weights, or the copy made of them, are not what they were.
    """
    import ctranslate2

    made_of = content_digest(MINILM.sha256, adapted.layers)
    folder = cache_folder() / f"minilm-{precision}-{made_of[:16]}-ct2-{ctranslate2.__version__}"
    note = folder / "model.bin.sha256"
    if not note.is_file():
        _log.info("weights.converting", model="all-MiniLM-L6-v2", to=precision)
        draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        _convert(draft, precision, adapted)
        try:
            draft.rename(folder)
        except OSError:
            # another process was faster: its copy is as good, unless there is none
            shutil.rmtree(draft)
            if not note.is_file():
                raise
    verified(folder / "model.bin", note.read_text("ascii").strip())
    return folder


def _convert(draft: Path, precision: str, adapted: Adaptation) -> None:
    from ctranslate2.converters import TransformersConverter
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as folder:
        for file in MINILM.path().parent.glob("*.json"):
            shutil.copy(file, folder)
        merged(adapted).save_pretrained(folder)
        TransformersConverter(folder).convert(str(draft), quantization=precision, force=True)
    (draft / "model.bin.sha256").write_text(file_digest(draft / "model.bin"), "ascii")


def _in_slices(
    rows: Sequence[Ids], tokens: int, forward: Callable[[Ids, Ids], Reading], pool: ThreadPoolExecutor | None
) -> Reading:
    """`forward` on padded int32 [B, L] and lengths [B], in slices of like length of at most `tokens` padded tokens."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]), reverse=True)
    slices: list[list[int]] = []
    for row in order:
        # the first of a slice is its longest
        if slices and (len(slices[-1]) + 1) * len(rows[slices[-1][0]]) <= tokens:
            slices[-1].append(row)
        else:
            slices.append([row])

    def pooled(chosen: list[int]) -> Reading:
        lengths = np.array([len(rows[row]) for row in chosen], np.int32)
        ids = np.zeros((len(chosen), int(lengths[0])), np.int32)
        for place, row in enumerate(chosen):
            ids[place, : lengths[place]] = rows[row]
        return forward(ids, lengths)

    found = Reading(*(np.empty((len(rows), width), np.float32) for width in (_DIMENSIONS, len(LABELS), WIDTH)))
    for chosen, parts in zip(slices, (pool.map if pool else map)(pooled, slices), strict=True):
        for all_rows, some in zip(found, parts, strict=True):
            all_rows[chosen] = some
    return found


def _cuda_devices() -> int:
    """How many CUDA devices there are; asked of CTranslate2, since importing torch takes seconds."""
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())


def _prefer_avx512() -> None:
    """CTranslate2 uses AVX-512 by itself only on Intel's CPUs; on AMD's it was a fifth faster too."""
    flags = Path("/proc/cpuinfo")
    if "CT2_FORCE_CPU_ISA" not in os.environ and flags.is_file():
        known = set(flags.read_text("utf-8", errors="replace").split())
        if known.issuperset(_AVX512):
            os.environ["CT2_FORCE_CPU_ISA"] = "AVX512"
