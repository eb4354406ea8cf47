"""Every metric's name, unit and labels, in one place. Labels are bounded: no tenant, id or content."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time stamp beside each counter doubles the series and nobody reads it

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The worker's metrics on a registry of their own, so that tests and embedded workers do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        on = self.registry
        # Records behind the end of each assigned partition.
        self.lag = Gauge("tidegate_consumer_lag_records", "Records behind the end", ["topic", "partition"], registry=on)
        # Seconds since the last completed poll.
        self.poll_age = Gauge("tidegate_poll_age_seconds", "Seconds since the last completed poll", registry=on)
        # Partitions this worker holds; 0 for a spare.
        self.partitions = Gauge("tidegate_assigned_partitions", "Partitions assigned", registry=on)
        self.records = Counter("tidegate_records_total", "Records read", registry=on)
        self.tombstones = Counter("tidegate_tombstones_total", "Null values passed over", registry=on)
        # Admitted and not yet acknowledged.
        self.in_flight = Gauge("tidegate_in_flight_events", "Events admitted and not yet finished", registry=on)
        self.in_flight_bytes = Gauge("tidegate_in_flight_bytes", "Decoded bytes held by credits", registry=on)
        self.starved = Counter("tidegate_credit_waits_total", "Polls put off for want of credits", registry=on)
        self.decisions = Counter("tidegate_decisions_total", "Decisions acknowledged", ["action"], registry=on)
        self.candidates = Counter(
            "tidegate_candidate_decisions_total",
            "Candidates' outcomes beside the live action",
            ["outcome"],
            registry=on,
        )
        self.degraded = Counter("tidegate_degraded_total", "Decisions marked degraded", ["code"], registry=on)
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
        self.reloads = Counter("tidegate_policy_reloads_total", "Policy reloads", ["result"], registry=on)
        # Seconds from the queue's own stamp to the acknowledged decision, for the oldest event of each publish.
        self.latency = Histogram(
            "tidegate_event_seconds",
            "From the queue's stamp to the acknowledgement, oldest event of each publish",
            buckets=_SECONDS,
            registry=on,
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

    def on_batch(
        self, lane: str, items: int, cost: int, padded: int, left_because: str, wait_s: float, run_s: float
    ) -> None:
        """Observe one finished batch; called by the device."""
        self.batches.labels(lane, left_because).inc()
        self.batch_items.labels(lane).observe(items)
        self.batch_fill.labels(lane).observe(cost / padded if padded else 1.0)
        self.batch_wait.labels(lane).observe(wait_s)
        self.model_time.labels(lane).observe(run_s)
