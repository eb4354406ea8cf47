"""Lint says where a policy lets a flood past the models, and where a limit does nothing."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from worker.policy.tools.lint import lint

INSULT = {"insult": {"definition": "Insults somebody", "flag": 0.5}}


@pytest.mark.parametrize(
    ("otherwise", "limits", "codes"),
    [
        ({"late": "allow"}, {"events_per_s": 100}, [("TG601", "otherwise.late")]),
        ({"late": "score"}, {"events_per_s": 100}, [("TG602", "limits.events_per_s")]),
        (None, {"events_per_s": 100}, [("TG602", "limits.events_per_s")]),
        ({"late": "flag"}, {"events_per_s": 100}, []),
        (None, {"text_chars": 100}, []),
    ],
)
def test_a_limit_and_what_is_done_over_it_are_looked_at_together(
    tmp_path: Path, otherwise: dict[str, str] | None, limits: dict[str, int], codes: list[tuple[str, str]]
) -> None:
    """At the field that says so."""
    policy = {"id": "acme", "version": "1", "categories": INSULT, "limits": limits}
    if otherwise is not None:
        policy["otherwise"] = otherwise
    (tmp_path / "acme.json").write_bytes(orjson.dumps(policy, option=orjson.OPT_INDENT_2))
    (tmp_path / "tenants.json").write_bytes(orjson.dumps({"*": "acme"}))
    assert [(one.code, one.where) for one in lint(tmp_path) if one.code.startswith("TG6")] == codes
