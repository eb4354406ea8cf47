"""Events through the whole pipeline under the default policy, and what OCR and speech recognition read in them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from worker.app import desk_alone
from worker.core.decisions import Action, Judgement, fall_back
from worker.core.events import AudioPart, ImagePart
from worker.core.ports import Extractor
from worker.core.views import ModelRef, TextSource, View, ViewKind
from worker.policy.tools.loading import open_folder
from worker.score.profile import Models
from worker.settings import load
from worker.window.media import audio_views

Part = dict[str, Any]  # of event.v1
TENANT = "demo"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided of one event, and what was read or heard in it."""

    action: Action
    lists: frozenset[str]  # lists that hit
    read: str  # of all pictures and clips of the event, in order
    degraded: bool

    @property
    def acted(self) -> bool:
        """Flagged or blocked."""
        return self.action > Action.ALLOW


Ask = Callable[[Sequence[Sequence[Part]]], Awaitable[list[Answer]]]


class _Overheard:
    """An extractor that remembers what it read, by what it looked at."""

    def __init__(self, inner: Extractor, texts: dict[bytes, str]) -> None:
        self._inner, self._texts = inner, texts

    @property
    def kind(self) -> ViewKind:
        return self._inner.kind

    @property
    def ref(self) -> ModelRef:
        return self._inner.ref

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        found = self._inner.extract(views)
        self._texts.update({_key(view.content): source.text for view, source in zip(views, found, strict=True)})
        return found


@contextlib.asynccontextmanager
async def judge(models: Models, policies: Path, tenant: str = TENANT) -> AsyncIterator[Ask]:
    """What asks the tenant's policy in the folder `policies` of events given as lists of parts."""
    texts: dict[bytes, str] = {}
    readers: Mapping[ViewKind, tuple[str, Extractor]] = {
        kind: (name, _Overheard(reader, texts)) for kind, (name, reader) in models.readers.items()
    }
    folder = open_folder(policies)
    policy_id = folder.of_tenant(tenant)
    assert policy_id is not None, f"tenant {tenant!r} has no policy in {policies}"
    policy = folder.compiled(policy_id, models.concepts)

    def answer(one: Judgement) -> Answer:
        action, _ = fall_back(one.verdict.action, (found.rule for found in one.findings.degraded), policy.otherwise)
        lists = frozenset(hit.list_name for hit in one.findings.hits)
        return Answer(action, lists, _read(one, texts), bool(one.findings.degraded))

    async with desk_alone(load(None, {"policies": policies}), replace(models, readers=readers)) as desk:

        async def ask(events: Sequence[Sequence[Part]]) -> list[Answer]:
            texts.clear()
            encoded = [orjson.dumps({"id": str(n), "tenant": tenant, "parts": parts}) for n, parts in enumerate(events)]
            return [answer(one) for one in await desk.judge(encoded, policy)]

        yield ask


def text(content: str) -> Part:
    """A text part."""
    return {"type": "text", "text": content}


def picture(data: bytes) -> Part:
    """An image part of an encoded picture."""
    return {"type": "image", "data": base64.b64encode(data).decode()}


def clip(data: bytes, **declared: Any) -> Part:
    """An audio part; `declared` says what raw sound is."""
    return {"type": "audio", "data": base64.b64encode(data).decode(), **declared}


def _read(one: Judgement, texts: Mapping[bytes, str]) -> str:
    looked_at: list[Any] = []
    for part in one.event.parts:
        if isinstance(part, ImagePart):
            looked_at += list(part.frames)
        elif isinstance(part, AudioPart):
            looked_at += [view.content for view in audio_views(part)]
    return "\n".join(texts.get(_key(content), "") for content in looked_at)


def _key(content: Any) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(content).tobytes()).digest()
