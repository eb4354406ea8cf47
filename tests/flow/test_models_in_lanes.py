"""Real models in their lanes: derived texts come back, joint views are read whole, a failure stays where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from tests.flow.conftest import Bench, event
from worker.cli.demo import bundled
from worker.core.views import Concepts, Floats, ModelRef, View, ViewKind
from worker.score.profile import Models
from worker.settings import Settings

pytestmark = pytest.mark.models
DEMO = dict(bundled())


async def decided(bench: Bench, events: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    """Decisions on `events` sent at once, by event id."""
    async with bench.running():
        bench.send(events)
        await bench.until(len(events))
    assert bench.held == (0, 0)
    return {decision["event_id"]: decision for decision in bench.decisions()}


@pytest.fixture
def bench(with_models: Settings, embedded: Models) -> Bench:
    """A worker with the real models."""
    return Bench(with_models, models=embedded)


async def test_ocr_text_and_transcripts_are_judged_as_text(bench: Bench) -> None:
    """The reason names where the words were found, the type they count for, and the place in picture or clip."""
    picture, speech = DEMO["picture of a threat"], DEMO["speech with a threat"]
    found = await decided(bench, [orjson.dumps(picture), orjson.dumps(speech)])
    seen, heard = found[picture["id"]]["reasons"][0], found[speech["id"]]["reasons"][0]
    assert (seen["view"], seen["type"]) == ("parts/0/ocr", "image")
    assert len(seen["evidence"]["box"]) == 4
    assert (heard["view"], heard["type"]) == ("parts/0/transcript", "audio")
    assert heard["evidence"]["t"][0] < heard["evidence"]["t"][1]


async def test_harmless_words_and_pictures_are_allowed(bench: Bench) -> None:
    """The same readers find nothing to act on in a notice, a photo and a speech."""
    events = [DEMO[name] for name in ("picture of a notice", "photo", "speech")]
    found = await decided(bench, [orjson.dumps(sent) for sent in events])
    assert [found[sent["id"]]["action"] for sent in events] == ["allow"] * 3
    assert all(found[sent["id"]]["degraded"] is None for sent in events)


async def test_caption_and_picture_are_read_together(bench: Bench) -> None:
    """Each by itself is allowed; together the joint view acts."""
    names = ("caption", "picture", "caption and picture")
    found = await decided(bench, [orjson.dumps(DEMO[name]) for name in names])
    caption, picture, both = (found[DEMO[name]["id"]] for name in names)
    assert (caption["action"], picture["action"]) == ("allow", "allow")
    assert both["action"] in ("flag", "block")
    assert both["reasons"][0]["view"] == "joint"


class Failing:
    """A scorer that breaks whenever a batch holds one content; otherwise it is the real one."""

    kind = ViewKind.TEXT

    def __init__(self, real: Any, poison: Sequence[int]) -> None:
        self._real = real
        self._poison = list(poison)
        self.calls: list[int] = []

    @property
    def ref(self) -> ModelRef:
        found: ModelRef = self._real.ref
        return found

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        self.calls.append(len(views))
        if any(view.content.tolist() == self._poison for view in views):
            raise RuntimeError("out of memory")
        found: list[Floats] = self._real.score(views, concepts)
        return found


async def test_a_model_that_fails_on_one_view_costs_its_event_alone(with_models: Settings, embedded: Models) -> None:
    """The batch is split until the culprit is alone: it is degraded, and its neighbours' scores are as ever."""
    name, real = next((n, s) for n, s in embedded.scorers.items() if s.kind is ViewKind.TEXT)
    assert embedded.tokenizer is not None
    poison, _ = embedded.tokenizer.encode(["a lovely poem about nothing"])[0]
    failing = Failing(real, poison.tolist())
    bench = Bench(with_models, models=replace(embedded, scorers={**embedded.scorers, name: failing}))
    events = [event(f"n{i}", f"message number {i} of a pleasant day") for i in range(9)]
    events.insert(4, event("bad", "a lovely poem about nothing"))
    events.append(event("threat", "I will find you and I will kill you tonight"))
    found = await decided(bench, events)
    bad = found.pop("bad")
    assert [problem["code"] for problem in bad["degraded"]] == ["model_failed"]
    assert (bad["action"], bad["scores"]) == ("flag", {})
    assert bad["overrides"] == [{"cause": "degraded", "action": "flag", "detail": "otherwise.failed is flag"}]
    assert all(decision["degraded"] is None and decision["scores"] for decision in found.values())
    assert found.pop("threat")["action"] == "block"
    assert {decision["action"] for decision in found.values()} == {"allow"}
    assert failing.calls.count(1) >= 2  # the culprit was tried again by itself


async def test_scores_do_not_depend_on_the_neighbours(with_models: Settings, embedded: Models) -> None:
    """Alone or among texts, pictures and clips of every length, within 0.001."""
    watched = [orjson.dumps(DEMO[name]) for name in ("chat line", "threat", "caption and picture", "speech", "photo")]
    crowd = [event(f"x{i}", "well then " * (1 + 7 * i % 60)) for i in range(40)]
    crowd += [orjson.dumps(sent) for name, sent in DEMO.items() if name not in ("photo", "speech")]
    alone: dict[str, dict[str, Any]] = {}
    for sent in watched:
        alone |= await decided(Bench(with_models, models=embedded), [sent])
    ids = set(alone)
    others = [value for value in crowd if orjson.loads(value)["id"] not in ids]
    together = await decided(Bench(with_models, models=embedded), [*others[:30], *watched, *others[30:]])
    for id, decision in alone.items():
        there = together[id]
        assert (there["action"], there["scores"].keys()) == (decision["action"], decision["scores"].keys())
        mine, theirs = (np.array(list(d["scores"].values())) for d in (decision, there))
        assert np.abs(mine - theirs).max() <= 1e-3
