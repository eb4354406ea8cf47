"""
The dashboard, as a table: rows of panels, each with its queries. `make runbook` writes tidegate.json from it.

`or vector(0)` stands only where no series means that nothing of the kind has happened.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent / "tidegate.json"
_R = "$__rate_interval"


class Panel(NamedTuple):
    """One picture: its title, Grafana's name of the unit, and (query, legend) pairs."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


ROWS: dict[str, tuple[Panel, ...]] = {
    "Is it well": (
        Panel("Ready workers", "short", (("sum(tidegate_ready)", "ready"), ("count(tidegate_build_info)", "running"))),
        Panel("Versions", "short", (("count by (version) (tidegate_build_info)", "{{version}}"),)),
        Panel("Lag, records", "short", (("sum by (partition) (tidegate_consumer_lag_records)", "{{partition}}"),)),
        Panel("Lag, seconds", "s", (("max by (partition) (tidegate_consumer_lag_seconds)", "{{partition}}"),)),
        Panel(
            "From the queue's stamp to the acknowledgement",
            "s",
            tuple(
                (f"histogram_quantile({q}, sum by (le) (rate(tidegate_event_seconds_bucket[{_R}])))", name)
                for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
        ),
        Panel("Age of the last poll", "s", (("tidegate_poll_age_seconds", "{{instance}}"),)),
    ),
    "What it decides": (
        Panel(
            "Records and decisions a second",
            "short",
            (
                (f"sum(rate(tidegate_records_total[{_R}]))", "read"),
                (f"sum by (action) (rate(tidegate_decisions_total[{_R}]))", "{{action}}"),
                (f"sum(rate(tidegate_tombstones_total[{_R}]))", "tombstones"),
            ),
        ),
        Panel(
            "Reasons by category",
            "short",
            (
                (
                    f"sum by (action, category) (rate(tidegate_decision_categories_total[{_R}]))",
                    "{{action}} {{category}}",
                ),
            ),
        ),
        Panel(
            "Degraded, by code",
            "short",
            ((f"sum by (code) (rate(tidegate_degraded_total[{_R}])) or vector(0)", "{{code}}"),),
        ),
        Panel(
            "Parts by ref, by outcome",
            "short",
            ((f"sum by (result) (rate(tidegate_claims_total[{_R}])) or vector(0)", "{{result}}"),),
        ),
        Panel(
            "Dead letters, by code",
            "short",
            ((f"sum by (code) (rate(tidegate_dead_letters_total[{_R}]))", "{{code}}"),),
        ),
        Panel(
            "Late or over a limit",
            "short",
            ((f"sum by (code, done) (rate(tidegate_overload_events_total[{_R}])) or vector(0)", "{{code}} {{done}}"),),
        ),
        Panel(
            "Breaker and caps",
            "short",
            (
                ("max(tidegate_breaker_open_nodes)", "open categories"),
                (f"sum(increase(tidegate_breaker_trips_total[{_R}]))", "trips"),
                (f"sum by (cause) (rate(tidegate_demoted_total[{_R}])) or vector(0)", "demoted {{cause}}"),
            ),
        ),
        Panel(
            "Candidates and review",
            "short",
            (
                (f"sum by (outcome) (rate(tidegate_candidate_decisions_total[{_R}])) or vector(0)", "{{outcome}}"),
                (f"sum(rate(tidegate_review_samples_total[{_R}]))", "review samples"),
            ),
        ),
    ),
    "Models": (
        Panel(
            "Use of the device",
            "percentunit",
            ((f"sum by (instance) (rate(tidegate_model_seconds_sum[{_R}]))", "{{instance}}"),),
        ),
        Panel(
            "One batch in the model, p95",
            "s",
            ((f"histogram_quantile(0.95, sum by (le, lane) (rate(tidegate_model_seconds_bucket[{_R}])))", "{{lane}}"),),
        ),
        Panel(
            "Wait for a batch, p95",
            "s",
            (
                (
                    f"histogram_quantile(0.95, sum by (le, lane) (rate(tidegate_batch_wait_seconds_bucket[{_R}])))",
                    "{{lane}}",
                ),
            ),
        ),
        Panel(
            "Views a batch",
            "short",
            (
                (
                    f"sum by (lane) (rate(tidegate_batch_items_sum[{_R}]))"
                    f" / (sum by (lane) (rate(tidegate_batch_items_count[{_R}])) > 0)",
                    "{{lane}}",
                ),
            ),
        ),
        Panel(
            "Fill of batches",
            "percentunit",
            (
                (
                    f"sum by (lane) (rate(tidegate_batch_fill_ratio_sum[{_R}]))"
                    f" / (sum by (lane) (rate(tidegate_batch_fill_ratio_count[{_R}])) > 0)",
                    "{{lane}}",
                ),
            ),
        ),
        Panel(
            "Why batches left",
            "short",
            ((f"sum by (lane, left_because) (rate(tidegate_batches_total[{_R}]))", "{{lane}} {{left_because}}"),),
        ),
        Panel(
            "Failures and hangs",
            "short",
            (
                (f"sum by (lane) (rate(tidegate_model_failures_total[{_R}])) or vector(0)", "failed {{lane}}"),
                (f"sum by (where) (rate(tidegate_hung_total[{_R}])) or vector(0)", "hung {{where}}"),
                (f"sum by (stage) (rate(tidegate_record_failures_total[{_R}])) or vector(0)", "broke {{stage}}"),
            ),
        ),
    ),
    "Queue and process": (
        Panel(
            "In flight",
            "short",
            (
                ("tidegate_in_flight_events", "{{instance}}"),
                (f"rate(tidegate_credit_waits_total[{_R}])", "waits {{instance}}"),
            ),
        ),
        Panel("In flight, bytes", "bytes", (("tidegate_in_flight_bytes", "{{instance}}"),)),
        Panel("Assigned partitions", "short", (("tidegate_assigned_partitions", "{{instance}}"),)),
        Panel(
            "Rebalances and drains",
            "short",
            (
                (f"increase(tidegate_rebalances_total[{_R}])", "rebalances {{instance}}"),
                (f"increase(tidegate_drains_cut_short_total[{_R}])", "cut short {{instance}}"),
                (f"increase(tidegate_suspect_partitions_total[{_R}])", "suspects {{instance}}"),
            ),
        ),
        Panel(
            "Longest drains, p95",
            "s",
            (("histogram_quantile(0.95, sum by (le) (tidegate_drain_seconds_bucket)) >= 0 or vector(0)", "p95"),),
        ),
        Panel(
            "HTTP endpoint",
            "short",
            ((f"sum by (status) (rate(tidegate_http_requests_total[{_R}])) or vector(0)", "{{status}}"),),
        ),
        Panel(
            "HTTP endpoint, p95",
            "s",
            (
                (
                    "histogram_quantile(0.95, sum by (le) (rate("
                    f"tidegate_http_seconds_bucket[{_R}]))) >= 0 or vector(0)",
                    "p95",
                ),
            ),
        ),
        Panel(
            "Publishing and committing",
            "short",
            (
                (f"sum(rate(tidegate_publish_retries_total[{_R}]))", "publish retries"),
                (f"sum by (result) (rate(tidegate_commits_total[{_R}]))", "commits {{result}}"),
                (f"sum by (result) (rate(tidegate_transactions_total[{_R}]))", "transactions {{result}}"),
            ),
        ),
        Panel(
            "Policies",
            "short",
            (
                ("max(tidegate_policies_active)", "in force"),
                ("max(tidegate_policies_refused)", "refused"),
                (f"sum by (result) (increase(tidegate_policy_reloads_total[{_R}]))", "reloads {{result}}"),
                (f"sum(increase(tidegate_conditions_failed_total[{_R}]))", "conditions failed"),
                (f"sum by (result) (increase(tidegate_secret_reloads_total[{_R}]))", "secrets {{result}}"),
            ),
        ),
        Panel("Resident memory", "bytes", (('process_resident_memory_bytes{job=~".*tidegate.*"}', "{{instance}}"),)),
        Panel(
            "Processor", "short", ((f'rate(process_cpu_seconds_total{{job=~".*tidegate.*"}}[{_R}])', "{{instance}}"),)
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """Grafana's document, three panels a line."""
    return {
        "title": "Tidegate",
        "uid": "tidegate",
        "schemaVersion": 39,
        "tags": ["tidegate"],
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "15s",
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}],
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for row, panels in ROWS.items():
        number += 1
        yield {"id": number, "type": "row", "title": row, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []}
        y += 1
        for place, panel in enumerate(panels):
            number += 1
            where = {"x": place % 3 * 8, "y": y + place // 3 * 7, "w": 8, "h": 7}
            yield _panel(number, panel, where)
        y += (len(panels) + 2) // 3 * 7


def _panel(number: int, panel: Panel, where: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    targets = [
        {"refId": chr(65 + place), "datasource": source, "expr": query, "legendFormat": legend}
        for place, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "gridPos": where,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def written() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), "utf-8")
    sys.stdout.write(f"wrote {FILE.name}\n")
