"""What a worker says of itself: alive, ready, status, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import generate_latest

from worker import __version__
from worker.core.errors import ClientStuck
from worker.core.metrics import Metrics
from worker.core.ports import Transport
from worker.core.records import TransportHealth
from worker.pipeline.flow import Flow
from worker.watchdog import Signs, Watchdog

LOOK_EVERY_S = 1.0
_MOST_NAMED = 5
ALIVE_S = 30.0  # a poll is never this long in coming unless the loop hangs


def _refused(policies: Sequence[dict[str, Any]]) -> str:
    """Which policies are on an older version, because their newest file is not good."""
    names = [policy["name"] for policy in policies if policy["code"]]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; refused is the newest file of {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of health."""

    name: str
    ok: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "detail": self.detail}


class Health:
    """What the worker says of itself. Reads state, changes none."""

    def __init__(
        self,
        flow: Flow,
        transport: Transport,
        metrics: Metrics,
        policies: Callable[[], list[dict[str, Any]]],
        policy_source: Callable[[], dict[str, Any]],
    ) -> None:
        self._flow = flow
        self._transport = transport
        self._metrics = metrics
        self._policies = policies
        self._policy_source = policy_source
        self._dog = Watchdog(flow.clock, flow.settings.stuck_s)
        self._secrets = (0, 0)
        self.models: list[dict[str, str]] | None = None  # None until they are loaded
        self.breaker: Callable[[], list[dict[str, Any]]] = list  # categories that are not trusted to block now

    def signs(self) -> Signs:
        """What the watchdog looks at."""
        flow, queue, now = self._flow, self._transport.health(), self._flow.clock.now()
        return Signs(
            poll_s=now - flow.last_poll,
            silent_s=queue.silent_s,
            commit_s=now - flow.commits_fail_since if flow.commits_fail_since is not None else 0.0,
            answering=queue.connected,
            partitions=len(queue.partitions),
            draining=flow.stopping.is_set(),
        )

    async def watch(self) -> None:
        """
        Look every second, until cancelled.

        Raises:
            ClientStuck: the queue answers others and not this worker's client.
        """
        while (found := self._dog.look(self.signs())).alive:  # noqa: ASYNC110  # nothing tells of an age
            await asyncio.sleep(LOOK_EVERY_S)
        raise ClientStuck(f"{found.detail}: start the worker again")

    def alive(self) -> Check:
        """The loop turns. A queue that is away, or has nothing for this worker, does not make a worker dead."""
        signs = self.signs()
        found = self._dog.look(signs)
        turning = signs.poll_s < ALIVE_S or not signs.answering or signs.draining
        return Check("loop", found.alive and turning, found.detail)

    def ready(self) -> list[Check]:
        """All that must hold before the worker counts as ready."""
        queue = self._transport.health()
        policies = self._policies()
        applied = [p for p in policies if p["active_revision"]]
        return [
            Check("queue", queue.connected, queue.detail),
            Check("models", self.models is not None, "loaded" if self.models is not None else "loading"),
            Check("policies", bool(applied), f"{len(applied)} of {len(policies)} policies active{_refused(policies)}"),
            Check(
                "publish",
                not self._flow.publish_failing,
                "the queue does not acknowledge" if self._flow.publish_failing else "acknowledged",
            ),
        ]

    def status(self) -> dict[str, Any]:
        """The whole of it, for people."""
        queue = self._transport.health()
        events, decoded_bytes = self._flow.credits.held
        return {
            "version": __version__,
            "ready": [check.as_json() for check in self.ready()],
            "queue": {
                "connected": queue.connected,
                "detail": queue.detail,
                "partitions": [f"{p.topic}[{p.number}]" for p in queue.partitions],
                "lag": {f"{p.topic}[{p.number}]": lag for p, lag in queue.lag.items()},
            },
            "in_flight": {"events": events, "decoded_bytes": decoded_bytes},
            "policy_source": self._policy_source(),
            "policies": self._policies(),
            "models": self.models,
            "breaker": self.breaker(),
        }

    def exposition(self) -> bytes:
        """Prometheus text; gauges are read at the scrape."""
        metrics, queue = self._metrics, self._transport.health()
        self._expose_lag(queue)
        metrics.ready.set(all(check.ok for check in self.ready()))
        policies = self._policies()
        metrics.policies.set(sum(bool(policy["active_revision"]) for policy in policies))
        metrics.refused_policies.set(sum(bool(policy["code"]) for policy in policies))
        for result, now, before in zip(("ok", "failed"), queue.secrets, self._secrets, strict=True):
            metrics.secrets.labels(result).inc(max(now - before, 0))
        self._secrets = queue.secrets
        metrics.partitions.set(len(queue.partitions))
        metrics.poll_age.set(self._flow.clock.now() - self._flow.last_poll)
        events, decoded_bytes = self._flow.credits.held
        metrics.in_flight.set(events)
        metrics.in_flight_bytes.set(decoded_bytes)
        return generate_latest(metrics.registry)

    def _expose_lag(self, queue: TransportHealth) -> None:
        """Of what this worker holds now; what went to another is the other's to tell."""
        metrics, wall_ms = self._metrics, self._flow.clock.wall() * 1000
        metrics.lag.clear()
        metrics.lag_seconds.clear()
        for partition, lag in queue.lag.items():
            place = (partition.topic, str(partition.number))
            read_ms = self._flow.read_ms.get(partition, 0)
            metrics.lag.labels(*place).set(lag)
            metrics.lag_seconds.labels(*place).set(max(wall_ms - read_ms, 0.0) / 1000 if lag and read_ms else 0.0)


class Report(Protocol):
    """What the HTTP endpoints ask for."""

    def alive(self) -> Check: ...

    def ready(self) -> list[Check]: ...

    def status(self) -> dict[str, Any]: ...

    def exposition(self) -> bytes: ...


class Loading:
    """The report of a worker whose models are still being loaded."""

    def __init__(self) -> None:
        self.detail = "loading models"

    def alive(self) -> Check:
        return Check("loop", True, self.detail)

    def ready(self) -> list[Check]:
        return [Check("models", False, self.detail)]

    def status(self) -> dict[str, Any]:
        return {"version": __version__, "ready": [check.as_json() for check in self.ready()]}

    def exposition(self) -> bytes:
        return b""
