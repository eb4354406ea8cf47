"""The report: every figure in its place, what changed between two, and the page that shows one."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import orjson
import pytest

from worker.core.errors import ConfigError
from worker.quality.compare import changes, missing, worse
from worker.quality.labelled import Labelled
from worker.quality.page import page
from worker.quality.report import Answer, report

CATEGORIES = ("hate", "hate/threatening", "violence")


def points() -> Any:
    """High recall at .3, balanced at .5, high precision at .7, for every type and category."""
    return np.array([0.3, 0.5, 0.7]).reshape(3, 1, 1) * np.ones((3, 3, 3))


def row(text: str, labels: dict[str, bool], *, whole: bool | None, group: str | None = None) -> Labelled:
    return Labelled({"id": text, "parts": [{"type": "text", "text": text}]}, labels, whole, group, group and "pair")


def answer(*scores: float) -> Answer:
    """Scores of the text; acted on from .5 on."""
    table = np.full((3, 3), np.nan, np.float32)
    table[0] = scores
    named = frozenset(name for name, score in zip(CATEGORIES, scores, strict=True) if score >= 0.5)
    return Answer(table, bool(named), named)


ROWS = [
    row("bad", {"hate": True, "violence": False}, whole=True, group="a"),
    row("worse", {"hate": True, "hate/threatening": True}, whole=True),
    row("fine", {"hate": False, "violence": False}, whole=False, group="b"),
    row("good", {"hate": False}, whole=False),
    row("who knows", {"violence": False}, whole=None),
]
ANSWERS = [
    answer(0.9, 0.1, 0.1),
    answer(0.2, 0.8, 0.1),
    answer(0.6, 0.1, 0.1),
    answer(0.1, 0.1, 0.1),
    Answer(None, False, frozenset()),
]


def made(attacked: list[Answer] | None = None) -> dict[str, Any]:
    known = slice(0, 4)
    tried = {} if attacked is None else {"leet": (ROWS[known], ANSWERS[known], attacked)}
    return report(ROWS, ANSWERS, CATEGORIES, points(), tried)


def test_a_category_counts_what_is_below_it() -> None:
    """`worse` is hate by its threat: caught as hate at the policy and at each point up to .8."""
    found = made()["categories"]["hate"]
    assert (found["positives"], found["negatives"]) == (2, 2)
    assert found["auroc"]["value"] == 1
    assert {name: told["recall"]["share"] for name, told in found["points"].items()} == dict.fromkeys(
        ("policy", "high_recall", "balanced", "high_precision"), 1.0
    )
    assert found["points"]["high_precision"]["false_positive_rate"]["share"] == 0
    assert found["points"]["policy"]["false_positive_rate"]["share"] == 0.5


def test_what_is_not_labelled_takes_no_part() -> None:
    """The fifth row knows of violence alone, and nothing scored it: that counts as 0."""
    found = made()
    assert found["rows"] == 5
    assert found["known"] == 4
    assert found["categories"]["any"]["positives"] + found["categories"]["any"]["negatives"] == 4
    assert found["categories"]["violence"]["auroc"] is None


def test_an_attack_tells_what_it_hides_and_what_it_flags() -> None:
    """One of two caught rows is missed; of two harmless rows one was flagged plain, both attacked."""
    hidden = [answer(0.1, 0.1, 0.1), answer(0.2, 0.8, 0.1), answer(0.6, 0.1, 0.1), answer(0.7, 0.1, 0.1)]
    found = made(hidden)
    told = found["attacks"]["leet"]
    assert (told["success"]["count"], told["success"]["of"]) == (1, 2)
    assert (told["flagged_plain"]["share"], told["flagged_attacked"]["share"]) == (0.5, 1.0)
    assert found["attacks_together"] == {
        "mean_success": 0.5,
        "worst_success": {"attack": "leet", "value": 0.5},
        "false_flags_ratio": 2.0,
    }


def test_a_label_that_the_policy_does_not_know_is_refused() -> None:
    """Silence would look like a perfect score."""
    with pytest.raises(ConfigError, match="spam"):
        report([row("x", {"spam": True}, whole=True)], ANSWERS[:1], CATEGORIES, None, {})


def test_a_report_is_plain_json() -> None:
    """And comes back as it was."""
    found = made(ANSWERS[:4])
    assert orjson.loads(orjson.dumps(found)) == found


def test_a_report_is_no_worse_than_itself() -> None:
    """Nothing changed, nothing is missing."""
    assert changes(made(), made()) == []
    assert missing(made(), made()) == []


def test_a_loss_on_the_same_rows_is_real_and_a_gain_is_no_loss() -> None:
    """Tolerance decides which losses fail; a figure that is gone is named."""
    old, new = made(), made()
    new["categories"]["hate"]["auroc"]["value"] = 0.9
    new["categories"]["any"]["ece"] -= 0.05
    del new["categories"]["violence"]
    found = changes(old, new)
    assert [(change.name, round(change.loss, 6)) for change in found] == [("hate: auroc", 0.1), ("any: ece", -0.05)]
    assert [change.name for change in worse(found, 0.02)] == ["hate: auroc"]
    assert worse(found, 0.2) == []
    assert all(name.startswith("violence: ") for name in missing(old, new))
    assert missing(old, new)


def test_of_other_rows_a_small_loss_is_noise() -> None:
    """Four rows say little: their intervals are wide."""
    old, new = made(), made() | {"rows_digest": "other"}
    new["categories"]["hate"]["points"]["policy"]["recall"]["share"] = 0.75
    (change,) = [one for one in changes(old, new) if one.name == "hate: recall at policy"]
    assert not change.beyond_noise
    assert worse([change]) == []


class _Outside(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]
        if tag in ("script", "link", "img"):
            self.loads.append(tag)


def test_the_page_stands_alone_in_light_and_dark() -> None:
    """No script, nothing loaded, every curve inline in the page's own colours, no name twice."""
    text = page(made(ANSWERS[:4]), "Quality <of> it")
    outside = _Outside()
    outside.feed(text)
    assert outside.loads == []
    assert "prefers-color-scheme: dark" in text
    assert text.count("<svg") == 4
    assert "currentColor" in text
    assert "Quality &lt;of&gt; it" in text
    names = re.findall(r'id="([^"]+)"', text)
    assert len(names) == len(set(names))
    assert page(made(ANSWERS[:4]), "x") == page(made(ANSWERS[:4]), "x")
