"""Decide, store, decide again under another policy: the same as deciding live under it, or it is said why not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.policy.building import policy
from worker.core.clock import FakeClock
from worker.core.decisions import Action, Findings, Reason, Verdict, fall_back
from worker.core.events import AudioPart, Degradation, Event, ImagePart, Part, PartType, TextPart
from worker.core.records import Position
from worker.core.schema_decision import DecisionDocument
from worker.core.views import Evidence, TextSource, empty_scores
from worker.deliver.decision import DecisionWriter
from worker.policy.compile import CompiledPolicy
from worker.policy.tools.retrial import Retrial, Retried

PARTS: dict[str, Part] = {
    "text": TextPart("parts/0", "a"),
    "image": ImagePart("parts/1", np.zeros((1, 2, 2, 3), np.uint8)),
    "audio": AudioPart("parts/2", np.zeros(16, np.float32)),
}
LEVELS = (0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0)  # few, so that scores often stand exactly at a threshold
TEXTS = ("spam and eggs", "SPAM", "green eggs", "nothing here", "spam scam")
CONDITIONS = (
    "context.audience == 'kids'",
    "context.attributes.level > 3",
    "context.attributes.level == 3",
    "has(context.attributes.level)",
    "'image' in parts",
    "stream.final == true",
    "stream.seq > 2",
    "context.actor == 'u-1'",
)

levels = st.sampled_from(LEVELS)
fields = st.fixed_dictionaries(
    {}, optional={"flag": levels, "block": levels, "mode": st.sampled_from(["enforce", "shadow", "off"])}
)
leaves = st.builds(
    lambda own, on, more: own | ({"on": on} if on else {}) | more,
    fields,
    st.dictionaries(st.sampled_from(["text", "image"]), fields, max_size=1),
    st.fixed_dictionaries(
        {},
        optional={
            "definition": st.sampled_from(["one", "two"]),
            "rollup": st.booleans(),
            "detectors": st.just(["nsfw"]),
        },
    ),
)
nodes = st.builds(
    lambda own, children: own | ({"children": children} if children else {}),
    leaves,
    st.dictionaries(st.sampled_from(["x", "y"]), leaves, max_size=2),
)
whens = st.lists(st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(["a", "b"]), fields), max_size=2)
terms = st.lists(
    st.fixed_dictionaries(
        {
            "words": st.sampled_from([["spam"], ["eggs"], ["spam", "scam"]]),
            "match": st.sampled_from(["word", "substring"]),
            "category": st.sampled_from(["a", "b"]),
            "action": st.sampled_from(["flag", "block"]),
        },
        optional={"except": st.just(["green eggs"])},
    ),
    max_size=3,
)
otherwises = st.fixed_dictionaries(
    {}, optional={rule: st.sampled_from(["allow", "flag", "block", "score"]) for rule in ("failed", "too_long")}
)


@st.composite
def documents(draw: st.DrawFn, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A policy; with `like` one that finds the same in every event, with thresholds of its own."""
    categories = {"a": draw(nodes), "b": draw(nodes)} | draw(st.dictionaries(st.sampled_from(["c"]), nodes, max_size=1))
    listed, limits = draw(terms), draw(st.sampled_from([{}, {}, {"text_chars": 10}, {"text_chars": 999_999}]))
    if like is not None:
        categories = _same_words(like["categories"], draw)
        listed = [dict(one, action=draw(st.sampled_from(["flag", "block"]))) for one in like["terms"]]
        limits = like["limits"]
    given_whens = [{"if": said, "set": {node: setting}} for said, node, setting in draw(whens)]
    return {
        "categories": categories,
        "when": given_whens,
        "terms": listed,
        "otherwise": draw(otherwises),
        "limits": limits,
    }


def _same_words(categories: Mapping[str, Any], draw: st.DrawFn) -> dict[str, Any]:
    found = {}
    for name, node in categories.items():
        words = {field: node[field] for field in ("definition", "detectors") if field in node}
        inner = {"children": _same_words(node["children"], draw)} if "children" in node else {}
        mode = {"mode": node["mode"]} if "mode" in node else {}  # a node that is off for good is not asked about
        on = {"on": node["on"]} if "on" in node else {}
        thresholds = {name: value for name, value in draw(fields).items() if name != "mode"}
        found[name] = words | inner | mode | on | thresholds
    return found


@st.composite
def happenings(draw: st.DrawFn) -> tuple[Event, int]:
    """An event, and a number that what models say of it hangs on."""
    names = draw(st.lists(st.sampled_from(["text", "image", "audio"]), unique=True, max_size=3))
    parts = tuple(
        PARTS[name] if name != "text" else TextPart("parts/0", draw(st.sampled_from(TEXTS))) for name in names
    )
    context = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "audience": st.sampled_from(["kids", "all", None]),
                "actor": st.sampled_from(["u-1", "u-2"]),
                "attributes": st.fixed_dictionaries(
                    {}, optional={"level": st.sampled_from([3, 3.0, 7, "high", None, True])}
                ),
            },
        )
    )
    degraded = draw(st.lists(st.sampled_from(["failed", "too_long"]), max_size=1))
    event = Event("e", "acme", parts, Position("t", 0, draw(st.integers(0, 9))), None, "o", 0.0, context=context)
    event.degraded = [Degradation("code", rule, "parts/0", "why") for rule in degraded]
    return event, draw(st.integers(0, 10_000))


def live(compiled: CompiledPolicy, event: Event, world: int) -> Findings:
    """What is found in an event under a policy: scores hang on the event, the type and what the category says."""
    found = Findings(event.context, event.part_types(), degraded=list(event.degraded))
    if event.position.offset > 4:
        found.stream = {"id": "s", "seq": event.position.offset, "offset_ms": None, "speaker": None, "final": True}
    asked = {path: said for path, said in compiled.basis.concepts.items() if said != NEVER}
    looked = [kind for kind in PartType if kind.label in event.part_types() and compiled.basis.has_words]
    if looked:
        found.scores = empty_scores(len(compiled.categories))
        for kind in looked:
            for column, path in enumerate(compiled.categories):
                if path in asked:
                    drawn = hashlib.sha256(f"{world} {kind} {path} {asked[path]}".encode()).digest()
                    found.scores[kind, column] = LEVELS[drawn[0] % 7] if drawn[1] % 3 else drawn[2] * 39 / 10_000
                    found.sources[kind, column] = ("parts/0", "model", Evidence((0, 1)))
    for part in event.parts:
        if isinstance(part, TextPart):
            found.hits += compiled.match(TextSource(part.path, part.text, (PartType.TEXT,)))
    return found


NEVER = policy({"categories": {"a": {}}}).basis.concepts["a"]


def stored(compiled: CompiledPolicy, event: Event, found: Findings) -> dict[str, Any]:
    """The decision as a log holds it."""
    verdicts = compiled.decide([found])
    (decided,) = DecisionWriter(FakeClock()).write(compiled, [(event, found, 0.0)], verdicts)
    body: dict[str, Any] = orjson.loads(decided.outgoing.value or b"")
    DecisionDocument.model_validate(body)
    return body


def told(verdict: Verdict) -> tuple[Any, ...]:
    """A verdict without the places that only the decision that first found them has."""
    return (
        verdict.action,
        *([_bare(reason) for reason in some] for some in (verdict.reasons, verdict.shadow)),
        verdict.notes,
    )


def _bare(reason: Reason) -> Reason:
    return replace(reason, view=None, model=None, evidence=Evidence())


def final(compiled: CompiledPolicy, found: Findings) -> tuple[Action, Verdict]:
    verdict = compiled.decide([found])[0]
    return fall_back(verdict.action, (d.rule for d in found.degraded), compiled.otherwise)[0], verdict


def agrees(answer: Retried, other: CompiledPolicy, event: Event, world: int) -> None:
    """An exact answer is the live one, a lower bound is one, and no answer has its reason."""
    action, verdict = final(other, live(other, event, world))
    if answer.action is None:
        assert answer.missing
    elif answer.at_least:
        assert answer.missing
        assert answer.action <= action
    else:
        assert answer.action == action
        if action is not Action.BLOCK:  # of a block, more reasons may be missing
            assert told(answer.verdict)[:-1] == told(verdict)[:-1]  # a condition of unknown outcome leaves no note


@settings(max_examples=100, deadline=None)
@given(documents(), documents(), st.lists(happenings(), min_size=1, max_size=4))
def test_another_policy_over_the_log_is_that_policy_live(
    first: dict[str, Any], second: dict[str, Any], happened: list[tuple[Event, int]]
) -> None:
    """Whatever differs between the two: thresholds, modes, definitions, lists, conditions, fallbacks, limits."""
    was, now = policy(first), policy(second)
    log = [stored(was, event, live(was, event, world)) for event, world in happened]
    for answer, (event, world) in zip(Retrial(now, {was.digest: was}).decide(log), happened, strict=True):
        if now.limits != was.limits and answer.action is not None and not answer.at_least:
            assert not event.degraded or event.degraded[0].rule != "too_long"
        agrees(answer, now, event, world)


def test_a_category_that_only_an_unstored_condition_lets_decide_is_no_answer() -> None:
    """The log has neither its score nor what the condition reads: with it true, the score would count."""
    was = policy({"categories": {"a": {}, "b": {"definition": "one", "detectors": ["nsfw"]}}})
    categories = {"a": {}, "b": {"definition": "one"}}
    now = policy({"categories": categories, "when": [{"if": "stream.final == true", "set": {"b": {"flag": 0.0}}}]})
    event = Event("e", "acme", (TextPart("parts/0", "spam and eggs"),), Position("t", 0, 5), None, "o", 0.0)
    (answer,) = Retrial(now, {was.digest: was}).decide([stored(was, event, live(was, event, 0))])
    assert answer.action is None
    assert answer.missing
    agrees(answer, now, event, 0)


@settings(max_examples=60, deadline=None)
@given(st.data(), documents(), st.lists(happenings(), min_size=1, max_size=4))
def test_other_thresholds_are_answered_whole(
    data: st.DataObject, first: dict[str, Any], happened: list[tuple[Event, int]]
) -> None:
    """With the same basis every decision is answered, reasons and all, with the old policy long gone."""
    second = data.draw(documents(like=first))
    was, now = policy(first), policy(second)
    assert was.basis == now.basis or second["when"] or first["when"]
    if was.basis.digest != now.basis.digest:
        return  # a condition that sets a mode lets nodes be asked about that were off for good
    log = [stored(was, event, live(was, event, world)) for event, world in happened]
    read = {f"context.{f}" for f in now.context_fields} | {f"stream.{f}" for f in now.stream_fields}
    kept = {f"context.{f}" for f in was.context_fields} | {f"stream.{f}" for f in was.stream_fields}
    for body, answer, (event, world) in zip(log, Retrial(now, {}).decide(log), happened, strict=True):
        if answer.action is None:
            assert read - kept, body
            assert set(answer.missing) <= {f"{name} is not stored" for name in read - kept}
            continue
        action, verdict = final(now, live(now, event, world))
        last = -1 if read - kept else None  # a condition of unknown outcome leaves no note
        assert (answer.action, *told(answer.verdict)[:last]) == (action, *told(verdict)[:last])
        assert not answer.missing


@settings(max_examples=30, deadline=None)
@given(documents(), st.lists(happenings(), min_size=1, max_size=4))
def test_the_same_policy_changes_nothing(document: dict[str, Any], happened: list[tuple[Event, int]]) -> None:
    """Every decision comes out as it stands in the log."""
    same = policy(document)
    log = [stored(same, event, live(same, event, world)) for event, world in happened]
    answers = Retrial(same, {}).decide(log)
    assert [answer.action.label if answer.action is not None else None for answer in answers] == [
        d["action"] for d in log
    ]


def test_every_score_that_can_be_stored_comes_back_as_it_was() -> None:
    """Four decimals as float32, through the decision's JSON and back."""
    steps = np.arange(10_001)
    scores = np.round((steps / 10_000).astype(np.float32), 4)
    read = [orjson.loads(orjson.dumps(round(score, 4))) for score in scores.tolist()]
    assert np.array_equal(np.array(read, np.float32), scores)


def example(**changed: Any) -> dict[str, Any]:
    return {"categories": {"a": {"definition": "one", "flag": 0.5}, "b": {"definition": "two", "block": 0.9}}} | changed


TIGHT = {"a": {"block": 0.0}}
TEXT_EVENT = Event("e", "acme", (TextPart("parts/0", "spam"),), Position("t", 0, 0), None, "o", 0.0)


def retried(
    first: dict[str, Any], second: dict[str, Any], event: Event = TEXT_EVENT, *, at_hand: bool = True
) -> Retried:
    was, now = policy(first), policy(second)
    body = stored(was, event, live(was, event, 1))
    return Retrial(now, {was.digest: was} if at_hand else {}).decide([body])[0]


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"categories": {"a": {"definition": "new", "flag": 0.0}}}, "category a was never scored so"),
        ({"terms": [{"words": ["x"], "category": "a", "action": "block"}]}, "list terms[0] was never searched so"),
        ({"when": [{"if": "context.region == 'DE'", "set": TIGHT}]}, "context.region is not stored"),
        ({"when": [{"if": "stream.final", "set": TIGHT}]}, "stream.final is not stored"),
        ({"limits": {"text_chars": 5}}, "limits differ"),
    ],
)
def test_what_the_log_cannot_answer_is_named(changed: dict[str, Any], missing: str) -> None:
    """Counted by these words, never guessed."""
    answer = retried(example(), example(**changed))
    assert missing in answer.missing
    assert answer.action is None or answer.at_least


def test_a_condition_that_cannot_matter_needs_no_field() -> None:
    """Every outcome comes to the same verdict, so it is one."""
    first = example(categories={"a": {"definition": "one"}})
    second = example(
        categories=first["categories"], when=[{"if": "context.region == 'DE'", "set": {"a": {"mode": "shadow"}}}]
    )
    answer = retried(first, second)
    assert (answer.action, answer.missing) == (Action.ALLOW, ())


def test_a_block_cannot_become_stricter_so_it_is_an_answer() -> None:
    """A category that was never scored could only tighten what is blocked already."""
    second = example(categories={"a": {"definition": "one", "block": 0.0}, "c": {"definition": "new", "block": 0.5}})
    assert retried(example(), second).action is Action.BLOCK
    assert not retried(example(), second).at_least


def test_a_policy_that_is_gone_answers_only_for_its_own_basis() -> None:
    """Thresholds can be tried; a changed definition cannot, since which one changed is not known."""
    assert retried(example(), example(otherwise={"failed": "block"}), at_hand=False).action is not None
    answer = retried(example(), example(categories={"a": {"definition": "new"}}), at_hand=False)
    assert answer.action is None
    assert answer.missing == ("policy p 1 is not at hand, and what it looked for differs",)


def test_a_call_that_changed_the_action_is_not_answered() -> None:
    """The state of a call hangs on events that are not in the decision."""
    was = policy(example())
    body = stored(was, TEXT_EVENT, live(was, TEXT_EVENT, 1))
    body["overrides"] = [{"cause": "call_state", "action": "block", "detail": "x"}]
    assert Retrial(was, {}).decide([body])[0].action is None
