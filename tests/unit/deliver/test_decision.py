"""The published record: what stands in a decision, and what never does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.decisions import Action, Findings, Hit, Reason, Verdict
from worker.core.events import AudioPart, Degradation, Event, ImagePart, Part, PartType, TextPart
from worker.core.ports import Limits
from worker.core.records import Position, Route
from worker.core.schema_decision import DecisionDocument
from worker.core.streams import CallRules
from worker.core.views import Concepts, Evidence, Hashes, ModelRef, TextSource, empty_scores
from worker.deliver.decision import Decided, DecisionWriter
from worker.deliver.plain import decision_id
from worker.policy.basis import Basis, basis
from worker.policy.compile import Ceilings

AT = Position("moderation.events", 3, 7)
SECRET = "a line that must stand nowhere"
DIGEST = "sha256:" + "ab" * 32


@dataclass(frozen=True)
class Rules:
    """A policy snapshot with a verdict of its own: only what the writer reads."""

    id: str = "acme"
    version: str = "1"
    digest: str = DIGEST
    categories: tuple[str, ...] = ("hate", "hate/threatening", "sexual")
    context_fields: tuple[str, ...] = ()
    stream_fields: tuple[str, ...] = ()
    basis: Basis = field(default_factory=lambda: basis((), (), Ceilings()))
    severe: frozenset[str] = frozenset()
    events_per_s: float | None = None
    weight: float = 1.0
    fallback: dict[str, str] = field(default_factory=dict)
    calls: CallRules = field(default_factory=CallRules)

    @property
    def limits(self) -> Limits:
        raise AssertionError("the writer reads no limits")

    def concepts(self, scorer: str) -> Concepts | None:
        return None

    def match(self, source: TextSource, normalised: str | None, span_back: Any) -> list[Hit]:
        return []

    knows_pictures: bool = False

    def match_images(self, path: str, hashes: Hashes) -> list[Hit]:
        return []

    def judge(self, found: Findings) -> Any:
        raise AssertionError("the writer judges nothing")

    def decide(self, findings: Any) -> list[Verdict]:
        return [Verdict(Action.ALLOW) for _ in findings]

    def decide_below(self, findings: Any) -> list[Verdict]:
        return self.decide(findings)

    def adopt(self, findings: Findings, categories: Sequence[str]) -> Findings:
        return findings

    def otherwise(self, rule: str) -> str:
        return self.fallback.get(rule, "flag")


def event(*parts: Part, **fields: Any) -> Event:
    given: dict[str, Any] = {
        "id": "e-1",
        "tenant": "acme",
        "position": AT,
        "key": b"k",
        "order_key": "o",
        "received": 0.0,
    } | fields
    return Event(parts=parts or (TextPart("parts/0", SECRET),), **given)


def findings(of: Event, **fields: Any) -> Findings:
    return Findings(context=of.context, part_types=of.part_types(), degraded=of.degraded, **fields)


def write(of: Event, policy: Rules, found: Findings, verdict: Verdict, **writer: Any) -> tuple[Decided, dict[str, Any]]:
    clock = writer.pop("clock", FakeClock())
    decided = DecisionWriter(clock, **writer).write(policy, [(of, found, of.received)], [verdict])[0]
    assert decided.outgoing.value is not None
    body = orjson.loads(decided.outgoing.value)
    DecisionDocument.model_validate(body)  # every decision written here is a decision.v1
    return decided, body


def degraded(code: str, rule: str) -> Degradation:
    return Degradation(code, rule, "parts/0", "it could not be read")


def test_a_repeat_has_the_same_id_whatever_was_reloaded() -> None:
    """The id hangs on tenant, event and first position alone."""
    one = event()
    before = write(one, Rules(), findings(one), Verdict(Action.ALLOW))[1]
    after = write(one, Rules(version="2", digest="sha256:" + "cd" * 32), findings(one), Verdict(Action.BLOCK))[1]
    assert before["id"] == after["id"] == decision_id("acme", "e-1", AT)


def test_a_redrive_keeps_the_id_of_its_first_reading() -> None:
    """`first_position` names where it was first read; `source` where it was read now."""
    again = event(position=Position("moderation.events", 3, 99), first_position=AT)
    body = write(again, Rules(), findings(again), Verdict(Action.ALLOW))[1]
    assert body["id"] == decision_id("acme", "e-1", AT)
    assert body["source"] == {"topic": "moderation.events", "partition": 3, "offset": 99}


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.integers(0, 5)), unique=True, max_size=20))
def test_different_events_have_different_ids(names: list[tuple[str, str, int]]) -> None:
    """Nothing that differs in tenant, id or position shares an id."""
    ids = {decision_id(t, i, Position("events", 0, n)) for t, i, n in names if "\0" not in t + i}
    assert len(ids) == sum("\0" not in t + i for t, i, _ in names)


@pytest.mark.parametrize("action", list(Action))
def test_the_action_chooses_the_topic_and_the_header(action: Action) -> None:
    """Consumers route by headers without reading the value."""
    one = event(traceparent="00-abc-def-01")
    decided, body = write(one, Rules(), findings(one), Verdict(action))
    assert decided.outgoing.route == Route(action.label)
    assert body["action"] == action.label
    assert dict(decided.outgoing.headers) == {
        "action": action.label.encode(),
        "tenant": b"acme",
        "event-id": b"e-1",
        "policy-digest": DIGEST.encode(),
        "traceparent": b"00-abc-def-01",
    }
    assert (decided.outgoing.key, decided.outgoing.source) == (b"k", AT)


def test_every_score_stands_there_and_an_unscored_category_is_left_out() -> None:
    """Maximum over types; a category that nothing scored is absent, never 0."""
    one = event()
    scores = empty_scores(3)
    scores[PartType.TEXT, :2] = (0.25, 0.0)
    scores[PartType.IMAGE, 0] = 0.5
    body = write(one, Rules(), findings(one, scores=scores), Verdict(Action.ALLOW))[1]
    assert body["scores"] == {"hate": 0.5, "hate/threatening": 0.0}
    assert body["scores_by_type"] == {"text": {"hate": 0.25, "hate/threatening": 0.0}, "image": {"hate": 0.5}}


def test_scores_of_one_type_are_not_written_twice() -> None:
    """`scores_by_type` is there only when the types of part do not say whose scores they are."""
    one = event()
    scores = empty_scores(3)
    scores[PartType.TEXT] = 0.125
    body = write(one, Rules(), findings(one, scores=scores), Verdict(Action.ALLOW))[1]
    assert "scores_by_type" not in body
    assert body["scores"] == dict.fromkeys(Rules().categories, 0.125)


def test_a_type_that_nothing_scored_is_told_apart() -> None:
    """Text and a picture of which only the picture was scored: a tool that decides again must know."""
    both = event(TextPart("parts/0", SECRET), ImagePart("parts/1", np.zeros((1, 2, 2, 3), np.uint8)))
    scores = empty_scores(3)
    scores[PartType.IMAGE] = 0.125
    body = write(both, Rules(), findings(both, scores=scores), Verdict(Action.ALLOW))[1]
    assert body["scores_by_type"] == {"image": dict.fromkeys(Rules().categories, 0.125)}


def test_a_reason_gives_place_and_cause_but_no_content() -> None:
    """Thresholds read as their author wrote them; evidence is a place."""
    one = event()
    reason = Reason(
        "hate",
        "image",
        Action.BLOCK,
        score=float(np.float32(0.91)),
        threshold=float(np.float32(0.7)),
        threshold_from="acme:hate/threatening",
        scored_by="hate/threatening",
        view="parts/1/ocr",
        model="minilm-heads",
        evidence=Evidence(span=(3, 9), box=(12, 40, 310, 88)),
    )
    body = write(one, Rules(), findings(one), Verdict(Action.BLOCK, (reason,), (reason,), ("a note",)))[1]
    assert body["reasons"] == body["shadow"]
    assert body["reasons"][0] == {
        "category": "hate",
        "type": "image",
        "action": "block",
        "score": 0.91,
        "threshold": 0.7,
        "threshold_from": "acme:hate/threatening",
        "scored_by": "hate/threatening",
        "view": "parts/1/ocr",
        "model": "minilm-heads",
        "evidence": {"span": [3, 9], "box": [12, 40, 310, 88]},
    }
    assert body["notes"] == ["a note"]


def test_a_list_hit_has_no_score() -> None:
    """Fields that do not apply are left out of the reason; the hit names its list, never its entry."""
    one = event()
    hit = Hit(DIGEST, "lists/scam.txt", "hate", Action.FLAG, PartType.TEXT, "parts/0", Evidence((0, 4)))
    reason = Reason("hate", "text", Action.FLAG, view="parts/0", list="lists/scam.txt", evidence=Evidence((0, 4)))
    body = write(one, Rules(), findings(one, hits=[hit]), Verdict(Action.FLAG, (reason,)))[1]
    assert not {"score", "threshold", "threshold_from", "model"} & body["reasons"][0].keys()
    assert body["hits"][0]["list"] == "lists/scam.txt"


@pytest.mark.parametrize(
    ("verdict", "wanted", "expected"),
    [
        (Action.ALLOW, "flag", Action.FLAG),
        (Action.ALLOW, "block", Action.BLOCK),
        (Action.FLAG, "block", Action.BLOCK),
        (Action.BLOCK, "allow", Action.BLOCK),
        (Action.BLOCK, "flag", Action.BLOCK),
        (Action.FLAG, "score", Action.FLAG),
        (Action.ALLOW, "allow", Action.ALLOW),
    ],
)
def test_otherwise_only_tightens(verdict: Action, wanted: str, expected: Action) -> None:
    """What could not be judged never loosens what was; a change stands in `overrides` with its cause."""
    one = event(degraded=[degraded("image_truncated", "failed")])
    decided, body = write(one, Rules(fallback={"failed": wanted}), findings(one), Verdict(verdict))
    assert body["action"] == expected.label
    assert (decided.action, decided.degraded) == (expected, ("image_truncated",))
    assert bool(body["overrides"]) == (expected is not verdict)
    if body["overrides"]:
        assert body["overrides"][0] == {
            "cause": "degraded",
            "action": wanted,
            "detail": f"otherwise.failed is {wanted}",
        }


def test_the_strictest_of_several_rules_counts() -> None:
    """Two things went wrong: the stricter `otherwise` decides."""
    one = event(degraded=[degraded("text_too_long", "too_long"), degraded("model_failed", "failed")])
    policy = Rules(fallback={"too_long": "block", "failed": "flag"})
    body = write(one, policy, findings(one), Verdict(Action.ALLOW))[1]
    assert body["action"] == "block"
    assert [d["code"] for d in body["degraded"]] == ["text_too_long", "model_failed"]


def test_context_holds_what_the_conditions_name_and_nothing_else() -> None:
    """Own fields stand under `attributes`; an absent one is null, so that the decision can be taken again."""
    one = event(context={"audience": "kids", "actor": "u-17", "attributes": {"level": 3, "name": "x"}})
    policy = Rules(context_fields=("attributes.level", "attributes.rank", "audience", "region"))
    body = write(one, policy, findings(one), Verdict(Action.ALLOW))[1]
    assert body["context"] == {"attributes": {"level": 3, "rank": None}, "audience": "kids", "region": None}


def test_no_content_stands_in_a_decision() -> None:
    """Neither in the value nor in a header."""
    one = event()
    decided, _ = write(one, Rules(), findings(one), Verdict(Action.ALLOW), content_key=b"k" * 32)
    assert SECRET.encode() not in (decided.outgoing.value or b"")
    assert all(SECRET.encode() not in content for _, content in decided.outgoing.headers)


def hmac_of(*parts: Part, tenant: str = "acme", key: bytes | None = b"k" * 32) -> str | None:
    one = event(*parts, tenant=tenant)
    found: str | None = write(one, Rules(), findings(one), Verdict(Action.ALLOW), content_key=key)[1]["content_hmac"]
    return found


def test_the_content_hmac_is_keyed_by_tenant_and_key() -> None:
    """The same content gives the same mark for one tenant, another one elsewhere, and none without a key."""
    same = TextPart("parts/0", "hello")
    assert hmac_of(same) == hmac_of(same)
    assert len({hmac_of(same), hmac_of(same, tenant="other"), hmac_of(same, key=b"z" * 32)}) == 3
    assert hmac_of(same, key=None) is None


def test_the_content_hmac_tells_different_parts_apart() -> None:
    """Parts cannot run into each other, and shape counts."""
    samples = np.zeros(4, np.float32)
    marks = {
        hmac_of(TextPart("parts/0", "a"), TextPart("parts/1", "b")),
        hmac_of(TextPart("parts/0", "ab")),
        hmac_of(TextPart("parts/0", "atb")),
        hmac_of(ImagePart("parts/0", np.zeros((1, 2, 8, 3), np.uint8))),
        hmac_of(ImagePart("parts/0", np.zeros((1, 4, 4, 3), np.uint8))),
        hmac_of(AudioPart("parts/0", samples)),
    }
    assert len(marks) == 6


def test_latency_is_split_between_the_queue_and_the_worker() -> None:
    """From the queue's stamp to now, and from admission to now."""
    clock = FakeClock(now=10.0, wall=1000.0)
    one = event(broker_ms=999_000, received=9.75)
    body = write(one, Rules(), findings(one), Verdict(Action.ALLOW), clock=clock)[1]
    assert body["latency_ms"] == {"queue": 750.0, "score": 250.0, "total": 1000}
    assert body["time"] == "1970-01-01T00:16:40.000Z"


def test_models_stand_with_their_digests() -> None:
    """A decision says which weights judged it."""
    one = event()
    models = [ModelRef("minilm-heads", "1", "sha256:m")]
    body = write(one, Rules(), findings(one, models=models), Verdict(Action.ALLOW))[1]
    assert body["models"] == [{"name": "minilm-heads", "version": "1", "digest": "sha256:m"}]
    assert body["policy"] == {"id": "acme", "version": "1", "digest": DIGEST, "basis": Rules().basis.digest}
