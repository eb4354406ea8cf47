"""
Every metric's name, unit and labels, in one place. Labels are bounded: no tenant, id or content.

`ops/prometheus` and `ops/grafana` are checked against this table (`table`) in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from worker import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time stamp beside each counter doubles the series and nobody reads it

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

# The default policy's own top categories; a tenant's own are counted together, since their names are the tenant's.
CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
OWN = "own"


def category_label(category: str) -> str:
    """The label of a category path: its top, when it is one of `CATEGORIES`, else `own`."""
    top = category.partition("/")[0]
    return top if top in CATEGORIES else OWN


class Metrics:
    """The worker's metrics on a registry of their own, so that tests and embedded workers do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        on = self.registry
        self.build = Gauge("tidegate_build_info", "1, beside the worker's version", ["version"], registry=on)
        self.ready = Gauge("tidegate_ready", "1 while /readyz says so", registry=on)
        # Records behind the end of each assigned partition.
        self.lag = Gauge("tidegate_consumer_lag_records", "Records behind the end", ["topic", "partition"], registry=on)
        # At most so old is the oldest unread record: the age of the last one read, 0 without lag.
        self.lag_seconds = Gauge(
            "tidegate_consumer_lag_seconds",
            "Age of the last record read where more stand behind it",
            ["topic", "partition"],
            registry=on,
        )
        # Seconds since the last completed poll.
        self.poll_age = Gauge("tidegate_poll_age_seconds", "Seconds since the last completed poll", registry=on)
        # Partitions this worker holds; 0 for a spare.
        self.partitions = Gauge("tidegate_assigned_partitions", "Partitions assigned", registry=on)
        self.rebalances = Counter("tidegate_rebalances_total", "Times partitions were taken away", registry=on)
        self.drains = Histogram("tidegate_drain_seconds", "Drains at a revoke or stop", buckets=_SECONDS, registry=on)
        self.drains_cut = Counter("tidegate_drains_cut_short_total", "Drains over flow.drain_s", registry=on)
        self.records = Counter("tidegate_records_total", "Records read", registry=on)
        self.tombstones = Counter("tidegate_tombstones_total", "Null values passed over", registry=on)
        # Admitted and not yet acknowledged.
        self.in_flight = Gauge("tidegate_in_flight_events", "Events admitted and not yet finished", registry=on)
        self.in_flight_bytes = Gauge("tidegate_in_flight_bytes", "Decoded bytes held by credits", registry=on)
        self.starved = Counter("tidegate_credit_waits_total", "Polls put off for want of credits", registry=on)
        self.decisions = Counter("tidegate_decisions_total", "Decisions acknowledged", ["action"], registry=on)
        # One for each top category that a decision gives as a reason; tenants' own categories are one: `own`.
        self.categories = Counter(
            "tidegate_decision_categories_total", "Decisions by reason", ["action", "category"], registry=on
        )
        self.candidates = Counter(
            "tidegate_candidate_decisions_total",
            "Candidates' outcomes beside the live action",
            ["outcome"],
            registry=on,
        )
        # A policy's `when` that broke at run time and took its stricter side; which one stands in the decision's notes.
        self.conditions_failed = Counter(
            "tidegate_conditions_failed_total", "Conditions of policies that failed on an event", registry=on
        )
        self.degraded = Counter("tidegate_degraded_total", "Decisions marked degraded", ["code"], registry=on)
        # Parts by `ref`: fetched, or the code of why not.
        self.claims = Counter("tidegate_claims_total", "Parts by ref that were asked for", ["result"], registry=on)
        # Events whose tenant was over a limit or past a deadline; `shed` where lists alone judged them.
        self.overload = Counter(
            "tidegate_overload_events_total", "Events over a limit or late", ["code", "done"], registry=on
        )
        self.review_samples = Counter("tidegate_review_samples_total", "Decisions also sent to review", registry=on)
        # An alert: a category whose block rate jumped; its name stands in the log and in /status.
        self.breaker_open = Gauge("tidegate_breaker_open_nodes", "Categories demoted by the breaker now", registry=on)
        self.breaker_trips = Counter("tidegate_breaker_trips_total", "Times the breaker opened", registry=on)
        self.demoted = Counter("tidegate_demoted_total", "Blocks that became flags", ["cause"], registry=on)
        self.dead_letters = Counter("tidegate_dead_letters_total", "Records dead-lettered", ["code"], registry=on)
        self.record_failures = Counter(
            "tidegate_record_failures_total", "Attempts at a record that broke a stage", ["stage"], registry=on
        )
        self.hung = Counter("tidegate_hung_total", "Work given up because it hung", ["where"], registry=on)
        self.suspects = Counter(
            "tidegate_suspect_partitions_total", "Partitions that came from a dead run", registry=on
        )
        self.publish_retries = Counter("tidegate_publish_retries_total", "Publishes that were tried again", registry=on)
        self.commits = Counter("tidegate_commits_total", "Offset commits", ["result"], registry=on)
        # Exactly once: each holds decisions and offset of one partition.
        self.transactions = Counter("tidegate_transactions_total", "Transactions", ["result"], registry=on)
        self.reloads = Counter("tidegate_policy_reloads_total", "Policy reloads", ["result"], registry=on)
        self.refused_policies = Gauge(
            "tidegate_policies_refused", "Policies whose newest version is not in force", registry=on
        )
        self.policies = Gauge("tidegate_policies_active", "Policies in force", registry=on)
        self.secrets = Counter(
            "tidegate_secret_reloads_total", "Secrets and certificates read again", ["result"], registry=on
        )
        # Seconds from the queue's own stamp to the acknowledged decision, for the oldest event of each publish.
        self.latency = Histogram(
            "tidegate_event_seconds",
            "From the queue's stamp to the acknowledgement, oldest event of each publish",
            buckets=_SECONDS,
            registry=on,
        )
        # What was asked by HTTP; route is moderations or decide.
        self.http_requests = Counter("tidegate_http_requests_total", "HTTP requests", ["route", "status"], registry=on)
        self.http_time = Histogram(
            "tidegate_http_seconds", "HTTP request to its answer", ["route"], buckets=_SECONDS, registry=on
        )
        self.batch_items = Histogram("tidegate_batch_items", "Views a batch", ["lane"], buckets=_ITEMS, registry=on)
        # Real cost over padded cost, 0 to 1.
        self.batch_fill = Histogram(
            "tidegate_batch_fill_ratio",
            "Real cost / padded cost",
            ["lane"],
            buckets=(0.25, 0.5, 0.7, 0.85, 0.95, 1),
            registry=on,
        )
        self.batches = Counter(
            "tidegate_batches_total", "Batches, by why they left", ["lane", "left_because"], registry=on
        )
        self.batch_wait = Histogram(
            "tidegate_batch_wait_seconds", "Oldest view's wait in its lane", ["lane"], buckets=_SECONDS, registry=on
        )
        self.model_time = Histogram(
            "tidegate_model_seconds", "One batch in the model", ["lane"], buckets=_SECONDS, registry=on
        )
        self.model_failures = Counter(
            "tidegate_model_failures_total", "Views a model could not judge", ["lane"], registry=on
        )
        self._begin()
        ProcessCollector(registry=on)  # process_resident_memory_bytes and its like

    def _begin(self) -> None:
        """Series that stand at 0 from the start: a first increase that comes with its series is invisible to `rate`."""
        self.build.labels(__version__).set(1)
        for action in ("allow", "flag", "block"):
            self.decisions.labels(action)
        for counter in (self.commits, self.transactions, self.secrets):
            for result in ("ok", "failed"):
                counter.labels(result)
        for result in ("applied", "unchanged", "rejected"):
            self.reloads.labels(result)

    def table(self) -> dict[str, tuple[str, ...]]:
        """Every series that Prometheus may see, by name, with its labels; a histogram is three."""
        series: dict[str, tuple[str, ...]] = {}
        for metric in vars(self).values():
            if isinstance(metric, Counter | Gauge | Histogram):
                series |= _series(metric._type, metric._name, metric._labelnames)
        return series

    def on_claim(self, result: str) -> None:
        """Count one part by `ref`: "fetched", or the code of why not."""
        self.claims.labels(result).inc()

    def on_secret(self, result: str) -> None:
        """Count one file of keys or people that changed: "ok", or "failed" where what was before goes on."""
        self.secrets.labels(result).inc()

    def on_batch(
        self, lane: str, items: int, cost: int, padded: int, left_because: str, wait_s: float, run_s: float
    ) -> None:
        """Observe one finished batch; called by the device."""
        self.batches.labels(lane, left_because).inc()
        self.batch_items.labels(lane).observe(items)
        self.batch_fill.labels(lane).observe(cost / padded if padded else 1.0)
        self.batch_wait.labels(lane).observe(wait_s)
        self.model_time.labels(lane).observe(run_s)


def _series(kind: str, name: str, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    own = tuple(labels)
    if kind == "counter":
        return {f"{name}_total": own}
    if kind == "histogram":
        return {f"{name}_bucket": (*own, "le"), f"{name}_sum": own, f"{name}_count": own}
    return {name: own}
