"""
Writes the words of `worker/core/runbook.py` where people read them: docs/operations.md and the alerts' annotations.

    python -m ops.runbook           write
    python -m ops.runbook --check   exit 1 when a file differs
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from worker.core.runbook import ALERTS, CHECKS, CODES, Entry

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "operations.md"
RULES = ROOT / "ops" / "prometheus" / "alerts.yaml"
_HEAD = "# Expressions and times are edited here; the annotations are worker/core/runbook.py's: `make runbook`.\n"
_TABLES = {"checks": ("check", CHECKS), "alerts": ("alert", ALERTS), "codes": ("code", CODES)}


def page(text: str) -> str:
    """The page with its tables written anew, each between `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, (kind, entries) in _TABLES.items():
        before, opening, rest = text.partition(f"<!-- {name} -->")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        if not closing:
            raise SystemExit(f"{PAGE.name} needs a <!-- {name} --> with its end")
        text = f"{before}{opening}\n{_table(kind, entries)}{closing}{after}"
    return text


def _table(kind: str, entries: Mapping[str, Entry]) -> str:
    rows = [f"| `{name}` | {one.means} | {one.do} |\n" for name, one in entries.items()]
    return f"| {kind} | what is so | what to do |\n|---|---|---|\n" + "".join(rows)


def rules(text: str) -> str:
    """The alerting rules with the runbook's words as annotations."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        for rule in group["rules"]:
            one = ALERTS[rule["alert"]]
            rule["annotations"] = {"summary": one.means, "action": one.do, "runbook": "docs/operations.md#alerts"}
    return _HEAD + str(yaml.safe_dump(document, sort_keys=False, width=118, allow_unicode=True))


def main() -> None:
    """Write, or check."""
    stale = []
    for path, written in ((PAGE, page), (RULES, rules)):
        before = path.read_text("utf-8")
        after = written(before)
        if after != before:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(after, "utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"{', '.join(stale)}: not the runbook's words: run `make runbook`")
    print("written: " + ", ".join(stale) if stale else "the pages have the runbook's words")


if __name__ == "__main__":
    main()
