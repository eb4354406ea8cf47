"""Verdict to the published record: decision.v1 as bytes, with the headers that consumers route by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from worker.core.clock import Clock
from worker.core.decisions import Action, Findings, Override, Reason, Verdict, fall_back
from worker.core.events import PART_TYPES, AudioPart, Event, ImagePart, TextPart
from worker.core.metrics import category_label
from worker.core.ports import Policy
from worker.core.records import Headers, Outgoing, Position
from worker.core.streams import Told
from worker.deliver.afterwards import Afterwards
from worker.deliver.candidate import Tried, candidate_json
from worker.deliver.plain import (
    PlainDecisions,
    conditions_read,
    decision_id,
    is_plain,
    policy_json,
    stream_read,
)
from worker.deliver.sample import ReviewSample

_ORJSON = orjson.OPT_SERIALIZE_NUMPY
_NONE_TRIED: Mapping[int, Tried] = {}
_NONE_TOLD: Mapping[int, Told] = {}
_ACTIONS = tuple(action.label.encode() for action in Action)


class Decided(NamedTuple):
    """A decision ready to leave."""

    outgoing: Outgoing
    action: Action
    degraded: tuple[str, ...]  # codes, for metrics
    review: Outgoing | None = None  # the same decision for the review topic, when it was drawn
    tried: str | None = None  # how the candidate's action compares, for metrics
    categories: tuple[str, ...] = ()  # labels of the reasons' categories, for metrics
    conditions_failed: int = 0  # for metrics


Judged = tuple[Event, Findings, float]  # an event, what was found, monotonic seconds at its admission


class DecisionWriter:
    """
    Turns verdicts into outgoing records.

    Args:
        content_key: key of `content_hmac`; None leaves the field null.
        afterwards: the breaker and the caps; None leaves every verdict as it is.
        sample: draws review samples; None draws none.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        content_key: bytes | None = None,
        afterwards: Afterwards | None = None,
        sample: ReviewSample | None = None,
    ) -> None:
        self._afterwards = afterwards
        self._sample = sample
        self._clock = clock
        self._content_key = content_key
        self._plain = PlainDecisions()
        self._tenant_keys: dict[str, bytes] = {}

    def write(
        self,
        policy: Policy,
        judged: Sequence[Judged],
        verdicts: Sequence[Verdict],
        tried: Mapping[int, Tried] = _NONE_TRIED,
        told: Mapping[int, Told] = _NONE_TOLD,
    ) -> list[Decided]:
        """
        One decision for each event of one policy, in order.

        tried, told: candidates' outcomes, and what the state of an event's stream does, by place in `judged`.
        """
        if self._afterwards is not None:
            self._afterwards.observe(policy, judged, verdicts)
        wall = self._clock.wall()
        stamp = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        now, wall_ms = self._clock.now(), int(wall * 1000)
        latencies: dict[tuple[float, int], tuple[dict[str, float], str]] = {}  # most events of a batch share theirs
        written = []
        for place, ((event, findings, received), verdict) in enumerate(zip(judged, verdicts, strict=True)):
            moment = (received, event.broker_ms)
            latency = latencies.get(moment)
            if latency is None:
                found = _latency(now - received, wall_ms - event.broker_ms if event.broker_ms else None)
                latency = latencies[moment] = (found, orjson.dumps(found).decode())
            state = told.get(place)
            if (
                is_plain(verdict, findings)
                and place not in tried
                and event.first_position is None
                and (state is None or state.act(Action.ALLOW)[0] is Action.ALLOW)
            ):
                mac = self._content_hmac(event) if self._content_key else None
                call = None if state is None else state.call
                outgoing = self._plain.write(event, policy, findings, stamp, latency[1], mac, call)
                review = self._drawn(event, outgoing, verdict.action) if self._sample is not None else None
                written.append(Decided(outgoing, verdict.action, (), review))
            else:
                beside = (tried.get(place), state)
                written.append(self._one(event, policy, findings, verdict, stamp, latency[0], *beside))
        return written

    def _one(
        self,
        event: Event,
        policy: Policy,
        findings: Findings,
        verdict: Verdict,
        stamp: str,
        latency: dict[str, float],
        tried: Tried | None,
        told: Told | None,
    ) -> Decided:
        action, loosened = (
            self._afterwards.loosen(policy, event, verdict) if self._afterwards is not None else (verdict.action, [])
        )
        stated: list[Override] = []
        if told is not None:
            action, stated = told.act(action)
            if loosened and action is Action.BLOCK:  # what the breaker or a cap made a flag stays one
                action, stated = Action.FLAG, []
        action, tightened = fall_back(action, (d.rule for d in findings.degraded), policy.otherwise)
        overrides = [*loosened, *stated, *tightened]
        body: dict[str, Any] = {
            "id": decision_id(event.tenant, event.id, event.first_position or event.position),
            "event_id": event.id,
            "tenant": event.tenant,
            "time": stamp,
            "types": sorted(findings.part_types),
            "action": action.label,
            "reasons": [reason_json(r) for r in verdict.reasons],
            "shadow": [reason_json(r) for r in verdict.shadow],
            "scores": {},
            "hits": [_hit_json(h) for h in findings.hits],
            "context": conditions_read(event.context, policy.context_fields),
            "overrides": [{"cause": o.cause, "action": o.action.label, "detail": o.detail} for o in overrides],
            "policy": policy_json(policy),
            "models": [{"name": m.name, "version": m.version, "digest": m.digest} for m in findings.models],
            "degraded": [
                {"code": d.code, "rule": d.rule, "where": d.where, "reason": d.reason} for d in findings.degraded
            ]
            or None,
            "content_hmac": self._content_hmac(event),
            "source": _position_json(event.position),
            "latency_ms": latency,
            "candidate": None if tried is None else candidate_json(tried),
            "call": None if told is None else told.call,
        }
        if event.first_position is not None:
            body["first"] = _position_json(event.first_position)
        if policy.stream_fields:
            body["stream"] = stream_read(findings.stream, policy.stream_fields)
        if findings.scores is not None:
            _add_scores(body, policy.categories, findings)
        if findings.stage is not None:
            body["stage"] = findings.stage
        if verdict.notes:
            body["notes"] = verdict.notes
        if findings.evasion:
            body["evasion"] = sorted(findings.evasion)
        value = orjson.dumps(body, option=_ORJSON)
        outgoing = _outgoing(event, policy, action, value)
        review = self._drawn(event, outgoing, action, demoted=bool(loosened))
        outcome = None if tried is None else tried.outcome(action)
        codes = tuple(d.code for d in findings.degraded)
        return Decided(outgoing, action, codes, review, outcome, _labels(verdict), len(verdict.notes))

    def _drawn(self, event: Event, outgoing: Outgoing, action: Action, *, demoted: bool = False) -> Outgoing | None:
        """The decision's review sample, when it is in it."""
        if self._sample is None or not self._sample.probability(action, demoted=demoted):
            return None
        number = decision_id(event.tenant, event.id, event.first_position or event.position)
        return self._sample.draw(number, outgoing, action, demoted=demoted)

    def _content_hmac(self, event: Event) -> str | None:
        """Keyed by tenant, since a bare hash of a short message can be guessed (BLAKE2b keyed mode, RFC 7693)."""
        if self._content_key is None:
            return None
        key = self._tenant_keys.get(event.tenant)
        if key is None:
            key = hashlib.blake2b(event.tenant.encode(), key=self._content_key[:64], digest_size=32).digest()
            self._tenant_keys[event.tenant] = key
        mac = hashlib.blake2b(key=key, digest_size=16)
        for part in event.parts:
            match part:
                case TextPart(text=text):
                    kind, content = "text", text.encode("utf-8", "surrogatepass")
                case ImagePart(frames=frames):
                    kind, content = f"image {frames.shape}", frames.tobytes()
                case AudioPart(samples=samples):
                    kind, content = "audio", samples.tobytes()
            mac.update(f"{kind} {len(content)}:".encode())  # lengths, so that parts cannot run into each other
            mac.update(content)
        return "b2:" + mac.hexdigest()


def _latency(score_s: float, total_ms: int | None) -> dict[str, float]:
    """Milliseconds in the queue, from admission to decision, and in all; without a stamp of the queue's, only ours."""
    score_ms = round(score_s * 1000.0, 1)
    total = score_ms if total_ms is None else max(total_ms, 0)
    return {"queue": max(round(total - score_ms, 1), 0.0), "score": score_ms, "total": total}


def _outgoing(event: Event, policy: Policy, action: Action, value: bytes) -> Outgoing:
    """The record, with headers to route by without parsing."""
    headers: Headers = (
        ("action", _ACTIONS[action]),
        ("tenant", event.tenant.encode()),
        ("event-id", event.id.encode()),
        ("policy-digest", policy.digest.encode()),
    )
    if event.traceparent is not None:
        headers += (("traceparent", event.traceparent.encode()),)
    return Outgoing(action.route, event.key, value, headers, event.position)


def reason_json(reason: Reason) -> dict[str, Any]:
    """A reason as it stands in a decision; fields that do not apply are left out."""
    fields: dict[str, Any] = {"category": reason.category, "type": reason.type, "action": reason.action.label}
    if reason.score is not None:
        fields["score"] = round(reason.score, 4)
        # Compared as float32; six digits give back the number its author wrote.
        fields["threshold"] = None if reason.threshold is None else round(reason.threshold, 6)
        fields["threshold_from"] = reason.threshold_from
    for name in ("point", "scored_by", "view", "model", "list"):
        value = getattr(reason, name)
        if value is not None:
            fields[name] = value
    evidence = reason.evidence.as_json()
    if evidence:
        fields["evidence"] = evidence
    return fields


def _hit_json(hit: Any) -> dict[str, Any]:
    return {
        "list": hit.list_name,
        "list_digest": hit.list_digest,
        "category": hit.category,
        "action": hit.action.label,
        "type": hit.type.label,
        "view": hit.view,
        "search": hit.search,
        "evidence": hit.evidence.as_json(),
    }


def _position_json(position: Position) -> dict[str, Any]:
    return {"topic": position.topic, "partition": position.partition, "offset": position.offset}


def _add_scores(body: dict[str, Any], categories: tuple[str, ...], findings: Findings) -> None:
    """Every category's own score before roll-up; one that was never scored is left out, never 0."""
    assert findings.scores is not None
    by_type: dict[str, dict[str, float]] = {}
    best: dict[str, float] = {}
    for kind in PART_TYPES:
        row = {
            name: round(score, 4)
            for name, score in zip(categories, findings.scores[kind].tolist(), strict=True)
            if score == score  # NaN is not equal to itself
        }
        if row:
            by_type[kind.label] = row
            for name, score in row.items():
                if score > best.get(name, -1.0):
                    best[name] = score
    body["scores"] = {name: best[name] for name in categories if name in best}
    if len(by_type) > 1 or by_type.keys() != findings.part_types:  # a type may be there that nothing scored
        body["scores_by_type"] = by_type


def _labels(verdict: Verdict) -> tuple[str, ...]:
    """Each once, whatever the number of types and children that reached it."""
    return tuple({category_label(reason.category): None for reason in verdict.reasons})
