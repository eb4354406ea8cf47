"""The same rows answered by a real HTTP server that speaks OpenAI's completions, in its good and bad hours."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.unit.score.models.guard.tiny import Tiny, probability, rows_of
from worker.core.clock import FakeClock, SystemClock
from worker.core.errors import ModelFailed
from worker.score.models.guard.forward import OneForward
from worker.score.models.guard.loading import load_guard
from worker.score.models.guard.remote import Circuit, RemoteGuard, log_odds
from worker.score.settings import GuardSettings, RemoteGuardSettings

TEXTS = ["hi", "I will find you and hurt you.", "Thank you, see you tomorrow."]


class Server:
    """A model behind `/v1/completions`: what vLLM answers to one token with its log-probabilities."""

    def __init__(self, one: Tiny) -> None:
        self._one = one
        self.asked: list[dict[str, Any]] = []
        self.failing = False
        self.stuck = asyncio.Event()  # never set
        self.stick_first = False
        self.under_way = self.most = 0
        self.app = Starlette(routes=[Route("/v1/completions", self._complete, methods=["POST"])])

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if self.failing:
            return Response(status_code=503)
        if self.stick_first and len(self.asked) == 1:
            await self.stuck.wait()
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        with torch.inference_mode():
            logits = self._one.model(input_ids=torch.tensor([body["prompt"]]), use_cache=False).logits[0, -1]
        chances = logits.double().log_softmax(-1)
        wanted = {*body["logprob_token_ids"], *chances.topk(body["logprobs"]).indices.tolist()}
        self.under_way -= 1
        top = {f"token_id:{token}": float(chances[token]) for token in wanted}
        return JSONResponse({"choices": [{"logprobs": {"top_logprobs": [top]}}]})


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """Uvicorn in a thread, on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def server(nemotron: Tiny) -> Server:
    return Server(nemotron)


def settings(url: str, **more: Any) -> RemoteGuardSettings:
    return RemoteGuardSettings(url=url, model="guard", **{"timeout_s": 30.0, "hedge_s": 20.0, **more})


def test_a_server_scores_as_a_model_here_does(nemotron: Tiny, server: Server) -> None:
    """The same prompts by their tokens, one token asked for, and no more requests at once than allowed."""
    rows = rows_of(nemotron, TEXTS * 3)
    with listening(server.app) as url:
        guard = RemoteGuard(settings(url, concurrency=2), SystemClock())
        found = guard.margins(rows)
        guard.close()
    assert np.abs(probability(found) - probability(OneForward(nemotron.model).margins(rows))).max() < 1e-4
    assert server.most <= 2
    assert {body["max_tokens"] for body in server.asked} == {1}
    assert guard.hedged == 0


def test_a_slow_answer_is_asked_for_once_more(nemotron: Tiny, server: Server) -> None:
    """The first request never ends; the hedge answers."""
    server.stick_first = True
    rows = rows_of(nemotron, TEXTS[:1])
    with listening(server.app) as url:
        guard = RemoteGuard(settings(url, hedge_s=0.05), SystemClock())
        found = guard.margins(rows)
        guard.close()
    assert np.abs(found - OneForward(nemotron.model).margins(rows)).max() < 1e-3
    assert (guard.hedged, len(server.asked)) == (1, 2)


def test_a_failing_server_is_left_alone_and_tried_again(nemotron: Tiny, server: Server) -> None:
    """After so many failures no request goes out until it has rested; then one does, and its success ends it."""
    clock = FakeClock()
    server.failing = True
    rows = rows_of(nemotron, TEXTS[:1])
    with listening(server.app) as url:
        guard = RemoteGuard(settings(url, failures=2, rest_s=10.0), clock)
        for _ in range(2):
            with pytest.raises(ModelFailed, match="failed on 1 rows"):
                guard.margins(rows)
        sent = len(server.asked)
        with pytest.raises(ModelFailed, match="left alone"):
            guard.margins(rows)
        assert len(server.asked) == sent
        server.failing = False
        clock.advance(11)
        guard.margins(rows)
        guard.margins(rows)
        guard.close()
    assert len(server.asked) == sent + 2


def test_a_server_that_hangs_past_its_deadline_is_a_failed_model(nemotron: Tiny, server: Server) -> None:
    """Both requests hang; the row's time runs out."""
    server.stick_first = True
    with listening(server.app) as url:
        guard = RemoteGuard(settings(url, timeout_s=0.2, hedge_s=10.0), SystemClock())
        with pytest.raises(ModelFailed, match="TimeoutError"):
            guard.margins(rows_of(nemotron, TEXTS[:1]))
        guard.close()


def test_nobody_listening_is_a_failed_model(nemotron: Tiny) -> None:
    """Not an end of the worker."""
    guard = RemoteGuard(settings("http://127.0.0.1:9/v1", hedge_s=0.01), SystemClock())
    with pytest.raises(ModelFailed, match="ConnectError"):
        guard.margins(rows_of(nemotron, TEXTS[:1]))
    guard.close()


def test_an_answer_without_the_labels_is_no_score(nemotron: Tiny) -> None:
    """With one of them missing it counts as likely as the last that is listed; with none nothing is known."""
    row = rows_of(nemotron, TEXTS[:1])[0]
    unsafe, safe = row.labels.ids.tolist()

    def answer(**top: float) -> dict[str, Any]:
        return {"choices": [{"logprobs": {"top_logprobs": [{f"token_id:{k[1:]}": v for k, v in top.items()}]}}]}

    assert log_odds(answer(**{f"t{unsafe}": -1.0, f"t{safe}": -3.0}), row) == pytest.approx(2.0)
    assert log_odds(answer(**{f"t{safe}": -0.1, "t999": -5.0}), row) == pytest.approx(-4.9)
    with pytest.raises(ValueError, match="no label"):
        log_odds(answer(t999=-0.1), row)
    with pytest.raises(ValueError, match="no label"):
        log_odds(answer(**{f"t{safe}": float("nan")}), row)


def test_the_circuit_lets_one_try_at_a_time() -> None:
    """While the server rests, one request each time its rest is over."""
    clock = FakeClock()
    circuit = Circuit(1, 10.0, clock)
    assert circuit.allows()
    circuit.told(well=False)
    assert not circuit.allows()
    clock.advance(10)
    assert circuit.allows()
    assert not circuit.allows()
    circuit.told(well=True)
    assert circuit.allows()


def test_a_remote_guard_needs_no_weights(nemotron: Tiny, tmp_path: Any) -> None:
    """Its prompts are made here, from configuration, tokenizer and template alone."""
    import shutil

    folder = tmp_path / "prompts"
    shutil.copytree(nemotron.folder, folder)
    (folder / "model.safetensors").unlink()
    loaded = load_guard(GuardSettings(path=str(folder), remote=settings("http://127.0.0.1:9/v1")), "cpu")
    assert loaded.family.name == "nemotron"
    assert loaded.pictures is None
