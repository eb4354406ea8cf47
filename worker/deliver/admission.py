"""Admission: on which terms an event meets the models, when there is more of it than there should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from worker.core.clock import Clock
from worker.core.events import Degradation
from worker.core.metrics import Metrics
from worker.core.ports import Transport
from worker.deliver.credits import Credits
from worker.deliver.rates import EventRates

_OTHERS_S = 10.0  # a tenant that was admitted within so long counts as waiting
_MOST_PLAIN = 10_000
_FRESH_S = 1.0  # how long a worker's share of the partitions is believed


class OverloadSettings(BaseModel):
    """What counts as late and as too much of one tenant; what is done then, its policy says (`otherwise.late`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deadline_ms: int | None = Field(
        None, gt=0, description="of events that name none, from the queue's stamp; unset: they are never late"
    )
    tenant_share: float = Field(
        0.5, gt=0, le=1, description="of the credits, that a tenant which sheds may hold while others are there"
    )


class Terms(NamedTuple):
    """
    On which an event was admitted.

    deadline: monotonic seconds; infinite without one.
    shed: why no model looks at it; its lists still do. None: models look.
    expendable: its tenant would rather have no score than a late one.
    """

    tenant: str = ""
    weight: float = 1.0
    deadline: float = float("inf")
    shed: Degradation | None = None
    expendable: bool = False


ANY_TIME = Terms()  # of what did not come from the queue


class Rules(Protocol):
    """What admission needs to know of a policy."""

    @property
    def events_per_s(self) -> float | None: ...

    @property
    def weight(self) -> float: ...

    def otherwise(self, rule: str) -> str: ...


class GroupShare:
    """This worker's part of the group's partitions, above 0 and at most 1, asked for at most once a second."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._at = float("-inf")
        self._share = 1.0

    def __call__(self) -> float:
        now = self._clock.now()
        if now - self._at >= _FRESH_S:
            self._at, self._share = now, self._transport.health().share
        return self._share


class Admission:
    """
    Says of each event whether models look at it. Sheds nothing of a tenant whose policy says `late: score`.

    Kafka keeps the order inside a partition, so an event that has to wait makes all behind it wait. What is shed goes
    by at once instead, on its lists alone: a tenant that sheds cannot hold up its neighbours.
    """

    def __init__(
        self,
        settings: OverloadSettings,
        clock: Clock,
        metrics: Metrics,
        credits: Credits,
        share: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._credits = credits
        self._share = share
        self._rates = EventRates()
        self._last, self._last_at = "", float("-inf")  # the tenant admitted last, and when
        self._other_at = float("-inf")  # when a tenant other than that was admitted last
        self._plain: dict[str, Terms] = {}  # of tenants that nothing is asked of

    def terms(self, tenant: str, rules: Rules, *, stamp_ms: int, deadline_ms: int | None, now: float) -> Terms:
        """
        Of an event that has its credits. Counts it; call once an event.

        now: monotonic seconds.
        stamp_ms: the queue's, Unix milliseconds; 0 where there is none, and then nothing is late or too often.
        deadline_ms: the event's own, from the stamp; None: the worker's.
        """
        if tenant != self._last:
            self._last, self._other_at = tenant, self._last_at
        self._last_at = now
        sheds = rules.otherwise("late") != "score"
        if not sheds and deadline_ms is None and self._settings.deadline_ms is None and rules.events_per_s is None:
            return self._at_any_time(tenant, rules.weight)
        left_s = self._left_s(stamp_ms, deadline_ms)
        why = self._why(tenant, rules, stamp_ms, left_s, sheds=sheds, now=now)
        if why is not None:
            self._metrics.overload.labels(why.code, "shed" if sheds else "scored").inc()
        return Terms(tenant, rules.weight, now + left_s, why if sheds else None, sheds)

    def _at_any_time(self, tenant: str, weight: float) -> Terms:
        plain = self._plain.get(tenant)
        if plain is None or plain.weight != weight:
            if len(self._plain) >= _MOST_PLAIN:
                self._plain.clear()
            plain = self._plain[tenant] = Terms(tenant, weight)
        return plain

    def _left_s(self, stamp_ms: int, deadline_ms: int | None) -> float:
        """Seconds to the deadline, below 0 past it."""
        within_ms = deadline_ms if deadline_ms is not None else self._settings.deadline_ms
        if within_ms is None or not stamp_ms:
            return float("inf")
        return (stamp_ms + within_ms) / 1000 - self._clock.wall()

    def _why(
        self, tenant: str, rules: Rules, stamp_ms: int, left_s: float, *, sheds: bool, now: float
    ) -> Degradation | None:
        limit = rules.events_per_s
        within = limit is None or not stamp_ms or self._rates.within(tenant, stamp_ms, limit * self._share())
        if not within:
            return Degradation("over_rate", "late", "event", "its tenant sends more than its limits.events_per_s")
        if left_s < 0:
            return Degradation("late", "late", "event", "its deadline had passed when it was read")
        if sheds and self._over_share(tenant, now):
            reason = "its tenant holds its share of the credits, and others are there: overload.tenant_share"
            return Degradation("over_share", "late", "event", reason)
        return None

    def _over_share(self, tenant: str, now: float) -> bool:
        """True when the tenant, which was admitted last, holds its share while another was there a moment ago."""
        if now - self._other_at > _OTHERS_S:
            return False
        share = self._settings.tenant_share
        held, most = self._credits.held_by(tenant), self._credits.most
        return held[0] > share * most[0] or held[1] > share * most[1]
