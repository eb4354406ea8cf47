"""Labelled lines: what they may say, and what is said when they do not."""

from __future__ import annotations

import orjson
import pytest

from worker.core.errors import ConfigError
from worker.quality.attacks import ATTACKS
from worker.quality.labelled import Labelled, attacked, digest, read_labelled


def line(**more: object) -> bytes:
    return orjson.dumps({"parts": [{"type": "text", "text": "kill"}], "labels": {"hate": 1}} | more)


def read(*lines: bytes) -> list[Labelled]:
    return list(read_labelled(lines, "some.jsonl"))


def test_labels_stand_beside_the_event_and_not_in_it() -> None:
    """The event is event.v1 with a name of its own when it has none."""
    (row,) = read(line(group="x", pair="y"))
    assert orjson.loads(row.encoded) == {"id": "1", "tenant": "eval", "parts": [{"type": "text", "text": "kill"}]}
    assert (row.labels, row.any, row.group, row.pair) == ({"hate": True}, True, "x", "y")


@pytest.mark.parametrize(
    ("labels", "whole"),
    [({"hate": 0}, None), ({"hate": 1}, True), ({"any": 0}, False), ({"hate": 0, "any": 1}, True)],
)
def test_what_is_not_labelled_is_not_known(labels: dict[str, int], whole: bool | None) -> None:
    """No hate is not the same as nothing at all."""
    assert read(line(labels=labels))[0].any is whole


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"{", "no JSON"),
        (b"[1]", "no event"),
        (line(labels={}), "`labels` must"),
        (line(labels={"hate": 2}), "`labels` must"),
        (line(labels=None), "`labels` must"),
        (line(group=3), "`group` and `pair`"),
    ],
)
def test_a_bad_line_is_named(bad: bytes, why: str) -> None:
    """File, line and what to write."""
    with pytest.raises(ConfigError, match=f"some.jsonl, line 3: .*{why}"):
        read(line(), b"\n", bad)


def test_an_attack_changes_texts_alone() -> None:
    """Labels stay, and so does a picture."""
    (row,) = read(line(parts=[{"type": "text", "text": "kill"}, {"type": "image", "data": "AA=="}]))
    hidden = attacked(row, ATTACKS["rot13"])
    assert [part.get("text", part.get("data")) for part in hidden.event["parts"]] == ["xvyy", "AA=="]
    assert hidden.labels == row.labels
    assert not row.all_text


def test_the_digest_knows_rows_by_event_and_label() -> None:
    """What --compare calls the same rows."""
    assert digest(read(line())) == digest(read(line()))
    assert digest(read(line())) != digest(read(line(labels={"hate": 0})))
