"""The same rows answered by an OpenAI-compatible server: one token and its log-probabilities, nothing more."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import structlog

from worker.core.clock import Clock
from worker.core.errors import ModelFailed
from worker.core.views import Floats
from worker.score.models.guard.prompts import Row
from worker.score.settings import RemoteGuardSettings

_log = structlog.get_logger(__name__)
_TOP = 20  # the most that servers give
_TOKEN = "token_id:"  # how vLLM names a token that it was asked to give by number


class Circuit:
    """
    Leaves a server alone that fails: pure, with a clock. Guarded by its caller.

    Args:
        failures: in a row, which open it. rest_s: seconds until one request may try again.
    """

    def __init__(self, failures: int, rest_s: float, clock: Clock) -> None:
        self._most, self._rest_s, self._clock = failures, rest_s, clock
        self._failed = 0
        self._closed_from = 0.0

    def allows(self) -> bool:
        """True when a request may go out; while it rests, one every `rest_s`."""
        if self._failed < self._most:
            return True
        now = self._clock.now()
        if now < self._closed_from:
            return False
        self._closed_from = now + self._rest_s  # this one tries; the others wait for what becomes of it
        return True

    def told(self, *, well: bool) -> None:
        """What became of a request."""
        self._failed = 0 if well else self._failed + 1
        if self._failed == self._most:
            self._closed_from = self._clock.now() + self._rest_s
            _log.warning("guard.circuit_open", failures=self._failed, rest_s=self._rest_s)


class RemoteGuard:
    """
    Port `Reads` over HTTP. Requests of a batch go out together, within a bound.

    A request without an answer by `hedge_s` is sent once more and the first answer counts, so that one slow replica
    does not hold a batch. Prompts go as token ids, so that the server sees exactly what a model here would.

    Args:
        transport: in place of the network, for tests that need none.
    """

    def __init__(
        self, settings: RemoteGuardSettings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._circuit = Circuit(settings.failures, settings.rest_s, clock)
        self._told = threading.Lock()  # of the circuit: policies are compiled while batches run
        self._transport = transport
        self._loop = asyncio.new_event_loop()
        self._client: httpx.AsyncClient | None = None
        self._slots: asyncio.Semaphore | None = None
        # a daemon: a server that hangs must not keep the process from ending
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote-guard", daemon=True)
        self._thread.start()
        self.hedged = 0

    def margins(self, rows: Sequence[Row]) -> Floats:
        """
        float32 [N]. Blocks the calling thread.

        Raises:
            ModelFailed: the server is away, slow, or answers without any of the labels; or it is left alone.
        """
        if any(row.picture is not None for row in rows):
            raise ModelFailed("the remote guard takes no pictures: token ids hold none")
        with self._told:
            allowed = self._circuit.allows()
        if not allowed:
            raise ModelFailed("the remote guard failed too often and is left alone for a while")
        try:
            found = asyncio.run_coroutine_threadsafe(self._all(rows), self._loop).result()
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError, IndexError) as error:
            with self._told:
                self._circuit.told(well=False)
            raise ModelFailed(f"the remote guard failed on {len(rows)} rows: {type(error).__name__}") from error
        with self._told:
            self._circuit.told(well=True)
        return np.array(found, np.float32)

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._client is not None:
            asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _all(self, rows: Sequence[Row]) -> list[float]:
        """Log-odds in the rows' order; the first failure ends the rest."""
        tasks = [asyncio.create_task(self._one(row)) for row in rows]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, row: Row) -> float:
        settings = self._settings
        if self._client is None:
            key = settings.api_key
            headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
            self._client = httpx.AsyncClient(headers=headers, timeout=settings.timeout_s, transport=self._transport)
        if self._slots is None:
            self._slots = asyncio.Semaphore(settings.concurrency)
        async with self._slots, asyncio.timeout(settings.timeout_s):
            return log_odds(await self._hedged(self._client, row), row)

    async def _hedged(self, client: httpx.AsyncClient, row: Row) -> dict[str, Any]:
        """The first answer of at most two requests; a failure counts when there is nothing left to wait for."""
        running = {asyncio.create_task(self._request(client, row))}
        hedges = 1
        try:
            while True:
                done, running = await asyncio.wait(
                    running,
                    timeout=self._settings.hedge_s if hedges else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if (good := next((task for task in done if task.exception() is None), None)) is not None:
                    return good.result()
                if hedges:
                    hedges, self.hedged = 0, self.hedged + 1
                    running.add(asyncio.create_task(self._request(client, row)))
                elif not running:
                    return next(iter(done)).result()
        finally:
            for task in running:
                task.cancel()

    async def _request(self, client: httpx.AsyncClient, row: Row) -> dict[str, Any]:
        answer = await client.post(
            f"{self._settings.url.rstrip('/')}/completions",
            json={
                "model": self._settings.model,
                "prompt": row.ids.tolist(),
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": _TOP,
                "logprob_token_ids": row.labels.ids.tolist(),  # exact, where the server knows the field
                "return_tokens_as_token_ids": True,
            },
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def log_odds(answer: dict[str, Any], row: Row) -> float:
    """
    From a completion's log-probabilities; a label that is not among them is taken to be as likely as the last that is.

    Raises:
        ValueError: none of the labels is there, so nothing is known; or what is there is no log-probability.
    """
    top: dict[str, float] = answer["choices"][0]["logprobs"]["top_logprobs"][0]
    known = {name.removeprefix(_TOKEN): float(value) for name, value in top.items()}
    least = min(known.values())
    named = [known.get(str(token)) for token in row.labels.ids.tolist()]
    if all(value is None for value in named) or any(math.isnan(value) for value in known.values()):
        raise ValueError("no label among the log-probabilities")
    logits = np.array([least if value is None else value for value in named])
    weights = np.exp(logits - logits.max())
    for_it, against = (weights * row.labels.violation).sum(), (weights * (1 - row.labels.violation)).sum()
    return float(np.log(for_it) - np.log(against))
