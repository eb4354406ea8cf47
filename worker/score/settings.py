"""Settings of guard models: where one is, how it runs, and what reaches it. Imports no model library."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RemoteGuardSettings(_Strict):
    """A guard that runs behind an OpenAI-compatible server (vLLM, NIM)."""

    url: str = Field(description="up to and including /v1")
    model: str = Field(description="the name under which the server knows it")
    api_key: SecretStr | None = None
    concurrency: int = Field(32, ge=1, description="requests under way at once")
    timeout_s: float = Field(5.0, gt=0, description="for one request, with its hedge")
    hedge_s: float = Field(0.5, gt=0, description="without an answer by then, the same is asked once more")
    failures: int = Field(8, ge=1, description="in a row, after which the server is left alone for `rest_s`")
    rest_s: float = Field(10.0, gt=0)


class GuardSettings(_Strict):
    """A guard model: a checkpoint of this worker's own, or one behind a server."""

    path: str = Field("", description="a folder with the checkpoint, or a repository of the hub")
    revision: str | None = Field(None, description="of the repository")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="digest that the checkpoint must have")
    family: str = Field("auto", description="adapter; auto goes by the checkpoint's architecture")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto", description="auto: bfloat16 on CUDA, float32 on CPU; int8: weights alone"
    )
    compile: bool = Field(False, description="torch.compile the language model; CUDA alone")
    batch_rows: int = Field(32, ge=1)
    batch_tokens: int = Field(16_384, ge=64, description="tokens of a forward, with padding; out of memory lowers it")
    prefix_mb: int = Field(2_048, ge=0, description="memory for keys and values of policies' prefixes; 0 reuses none")
    floor: float = Field(0.05, ge=0, le=1, description="of the joint question: below it no category has one of its own")
    answers: Literal["refuse", "warn"] = Field("refuse", description="when it does not answer as its family does")
    calibration: Path | None = Field(None, description="file of curves fitted on labels")
    cascade: bool = Field(True, description="texts that are clearly clean to the embedded model never reach the guard")
    repeats: int = Field(4_096, ge=0, description="answers kept a tenant, for contents that come again")
    voice: str = Field("", description="checkpoint of the voice-safety classifier; none: unused")
    voice_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    whisper: str = Field("", description="checkpoint of a Whisper for transformers; none: the embedded tiny.en")
    whisper_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    remote: RemoteGuardSettings | None = None

    @model_validator(mode="after")
    def _bounds(self) -> GuardSettings:
        if self.compile and self.dtype == "int8":
            raise ValueError("compile does not go with dtype int8: choose one")
        return self
