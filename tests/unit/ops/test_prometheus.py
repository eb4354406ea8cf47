"""Rules, alerts and dashboard name only what the worker exposes; every alert fires when it should and not otherwise."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.grafana import dashboard
from ops.prometheus.tools import tool
from ops.runbook import rules
from worker.core.metrics import CATEGORIES, OWN, Metrics, category_label
from worker.core.runbook import ALERTS

HERE = Path(__file__).resolve().parents[3] / "ops" / "prometheus"
_THEIRS = {"process_resident_memory_bytes": set[str](), "process_cpu_seconds_total": set[str](), "up": set[str]()}
_ADDED = {"job", "instance"}  # by the scrape


def recorded() -> dict[str, set[str]]:
    """Recording rules by name, with the labels that their aggregation leaves."""
    document = yaml.safe_load((HERE / "rules.yaml").read_text("utf-8"))
    found = {}
    for rule in document["groups"][0]["rules"]:
        by = re.search(r"by \(([^)]*)\)", rule["expr"])
        found[rule["record"]] = {label.strip() for label in by[1].split(",")} if by else set()
    return found


def alerts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((HERE / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    return found


def expressions() -> list[tuple[str, str]]:
    """Every query of ours: where it stands, and itself."""
    rules = yaml.safe_load((HERE / "rules.yaml").read_text("utf-8"))["groups"][0]["rules"]
    found = [(rule["record"], rule["expr"]) for rule in rules]
    found += [(rule["alert"], rule["expr"]) for rule in alerts()]
    return found + [
        (panel.title, expr) for row in dashboard.ROWS.values() for panel in row for expr, _ in panel.queries
    ]


def test_every_query_names_series_and_labels_that_exist() -> None:
    """What is misspelt would be silent for ever: an alert that never fires."""
    series: dict[str, set[str]] = {name: set(labels) for name, labels in Metrics().table().items()}
    known = series | recorded() | _THEIRS
    for where, expr in expressions():
        names = set(re.findall(r"\b(?:tidegate|instance|process)[a-z0-9]*[_:][a-z0-9_:]+|\bup\b", expr))
        assert names, where
        assert names <= known.keys(), where
        labels = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(",")}
        labels |= set(re.findall(r'(\w+)=~?"', expr))
        assert labels <= set().union(*(known[name] for name in names)) | _ADDED, where


def test_every_metric_is_in_the_dashboard_or_an_alert() -> None:
    """What nobody looks at should not be counted."""
    seen = " ".join(expr for _, expr in expressions())
    shown = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in Metrics().table()}
    assert sorted(name for name in shown if name not in seen) == []


def test_the_dashboard_is_what_its_table_says() -> None:
    """`python -m ops.grafana.dashboard` writes it."""
    assert dashboard.FILE.read_text("utf-8") == dashboard.written()


def test_alerts_carry_the_runbooks_words() -> None:
    """Each alert has its line in the runbook, and no line is without an alert."""
    text = (HERE / "alerts.yaml").read_text("utf-8")
    assert rules(text) == text
    assert {rule["alert"] for rule in alerts()} == ALERTS.keys()


def test_labels_of_categories_are_the_default_policys() -> None:
    """A tenant's own category would be its content in a metric, and unbounded."""
    import json

    default = json.loads((HERE.parents[1] / "policies" / "default.json").read_text("utf-8"))
    assert sorted(default["categories"]) == sorted(CATEGORIES)
    assert category_label("hate/threatening") == "hate"
    assert category_label("trade") == OWN


def test_promtool_accepts_rules_and_configuration() -> None:
    """As Prometheus would at its start."""
    for words in (["check", "rules", "rules.yaml", "alerts.yaml"], ["check", "config", "prometheus.yml"]):
        done = subprocess.run([tool("promtool"), *words], cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_what_a_page_says_to_start_prometheus_with_is_accepted(page: str, tmp_path: Path) -> None:
    """Run in the repository's root, as the page says."""
    root = HERE.parents[1]
    (block,) = re.findall(r"cat > prometheus.yml <<'END'\n(.*?)END\n", (root / page).read_text("utf-8"), re.DOTALL)
    config = yaml.safe_load(block)
    config["rule_files"] = [str(root / name) for name in config["rule_files"]]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    words = ["check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run([tool("promtool"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(config["rule_files"]) == 2


# What makes each alert fire: series over minutes in promtool's notation, and the labels that the alert then has.
_UP = "1+0x40"
FIRING: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "TidegateDown": ({'up{job="tidegate"}': "0+0x40"}, {"job": "tidegate"}),
    "TidegateNotReady": ({"tidegate_ready": "0+0x40"}, {}),
    "TidegateNotPolling": ({"tidegate_poll_age_seconds": "0+60x40"}, {}),
    "TidegateNobodyReads": ({"tidegate_assigned_partitions": "0+0x40"}, {}),
    "TidegateLag": ({"tidegate_consumer_lag_seconds": "61+0x40"}, {}),
    "TidegateSlow": (
        {
            'tidegate_event_seconds_bucket{le="5"}': "0+1x40",
            'tidegate_event_seconds_bucket{le="10"}': "0+9x40",
            'tidegate_event_seconds_bucket{le="+Inf"}': "0+9x40",
        },
        {},
    ),
    "TidegateSaturated": ({"tidegate_credit_waits_total": "0+120x40"}, {}),
    "TidegatePublishFails": ({"tidegate_publish_retries_total": "0+10x40"}, {}),
    "TidegateCommitsFail": ({'tidegate_commits_total{result="failed"}': "0+10x40"}, {"result": "failed"}),
    "TidegateTransactionsFail": (
        {
            'tidegate_transactions_total{result="ok"}': "0+80x40",
            'tidegate_transactions_total{result="failed"}': "0+20x40",
        },
        {},
    ),
    "TidegateDeadLetters": (
        {"tidegate_records_total": "0+100x40", 'tidegate_dead_letters_total{code="not_json"}': "0+2x40"},
        {},
    ),
    "TidegateParked": ({'tidegate_dead_letters_total{code="hangs"}': "0+1x40"}, {}),
    "TidegateDegraded": (
        {'tidegate_decisions_total{action="allow"}': "0+100x40", 'tidegate_degraded_total{code="late"}': "0+6x40"},
        {},
    ),
    "TidegateModelFails": ({'tidegate_model_failures_total{lane="nsfw"}': "0+1x40"}, {"lane": "nsfw"}),
    "TidegateHung": ({'tidegate_hung_total{where="decode"}': "0+1x40"}, {"where": "decode"}),
    "TidegateDied": ({"tidegate_suspect_partitions_total": "0+1x40"}, {}),
    "TidegateBreakerOpen": ({"tidegate_breaker_open_nodes": "1+0x40"}, {}),
    "TidegatePolicyRefused": ({"tidegate_policies_refused": "1+0x40"}, {}),
    "TidegateShedding": ({'tidegate_overload_events_total{code="late",done="shed"}': "0+1x40"}, {}),
    "TidegateRebalancing": ({"tidegate_rebalances_total": "0+1x40"}, {}),
    "TidegateDrainCutShort": ({"tidegate_drains_cut_short_total": "0+1x40"}, {}),
    "TidegateSecretNotRead": ({'tidegate_secret_reloads_total{result="failed"}': "0+1x40"}, {}),
    "TidegateMixedVersions": (
        {'tidegate_build_info{version="1"}': "1+0x90", 'tidegate_build_info{version="2"}': "1+0x90"},
        {},
    ),
}
# A worker that is well: no alert may fire on it.
WELL = {
    'up{job="tidegate"}': _UP,
    "tidegate_ready": _UP,
    'tidegate_build_info{version="1"}': _UP,
    "tidegate_poll_age_seconds": "0+0x40",
    "tidegate_assigned_partitions": "6+0x40",
    "tidegate_consumer_lag_seconds": "1+0x40",
    'tidegate_event_seconds_bucket{le="5"}': "0+60x40",
    'tidegate_event_seconds_bucket{le="10"}': "0+60x40",
    'tidegate_event_seconds_bucket{le="+Inf"}': "0+60x40",
    "tidegate_credit_waits_total": "0+0x40",
    "tidegate_publish_retries_total": "0+0x40",
    'tidegate_commits_total{result="ok"}': "0+60x40",
    'tidegate_commits_total{result="failed"}': "0+0x40",
    'tidegate_transactions_total{result="ok"}': "0+60x40",
    'tidegate_transactions_total{result="failed"}': "0+0x40",
    "tidegate_records_total": "0+600x40",
    'tidegate_decisions_total{action="allow"}': "0+600x40",
    'tidegate_dead_letters_total{code="not_json"}': "0+1x40",
    'tidegate_degraded_total{code="text_too_long"}': "0+6x40",
    'tidegate_overload_events_total{code="late",done="scored"}': "0+6x40",
    "tidegate_suspect_partitions_total": "0+0x40",
    "tidegate_breaker_open_nodes": "0+0x40",
    "tidegate_policies_refused": "0+0x40",
    "tidegate_rebalances_total": "2+0x40",
    "tidegate_drains_cut_short_total": "0+0x40",
    'tidegate_secret_reloads_total{result="failed"}': "0+0x40",
}


def _case(series: dict[str, str], name: str, fires: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": "80m" if "Mixed" in name else "30m", "alertname": name, "exp_alerts": fires}],
    }


def test_each_alert_fires_on_its_cause_and_none_on_a_worker_that_is_well(tmp_path: Path) -> None:
    """`promtool test rules` on the rules as they ship."""
    assert FIRING.keys() == ALERTS.keys()
    cases = []
    for rule in alerts():
        series, labels = FIRING[rule["alert"]]
        fired = {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": rule["annotations"]}
        cases += [_case(series, rule["alert"], [fired]), _case(WELL, rule["alert"], [])]
    document = {
        "rule_files": [str(HERE / "rules.yaml"), str(HERE / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": cases,
    }
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    done = subprocess.run([tool("promtool"), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]


@pytest.mark.parametrize("name", ["prometheus", "promtool"])
def test_the_tools_are_there(name: str) -> None:
    """On PATH, or unpacked from Debian's package."""
    done = subprocess.run([tool(name), "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"{name}, version" in done.stdout + done.stderr
