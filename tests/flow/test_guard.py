"""A guard behind the embedded models: what reaches it, what the decision says of that, and what its faults do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from ops.guard.checkpoints import write
from tests.flow.conftest import Bench, event
from worker.cli.demo import bundled
from worker.core.errors import ModelFailed
from worker.core.views import Floats, View
from worker.score.models.guard.concepts import GuardPolicy
from worker.score.models.guard.loading import LoadedGuard, load_guard
from worker.score.profile import Models, guarded
from worker.score.settings import GuardSettings
from worker.settings import Settings, load

pytestmark = pytest.mark.models
HARMLESS, THREAT = "what time does the bus leave", "I will find you and hurt you"


POLICY = {
    "id": "p",
    "version": "1",
    "categories": {
        name: {"definition": definition, "detectors": [name], "flag": 0.5, "block": 0.9}
        for name, definition in (("harassment-threatening", "Threatens a person."), ("hate", "Attacks groups."))
    },
    "terms": [{"words": ["hurt everybody"], "match": "word", "category": "hate", "action": "block"}],
}


@pytest.fixture
def guarded_settings(tmp_path: Path) -> Settings:
    """A policy of two categories that the embedded model was trained on, and one list."""
    (tmp_path / "p.json").write_bytes(orjson.dumps(POLICY))
    (tmp_path / "tenants.json").write_bytes(orjson.dumps({"*": "p"}))
    return load(None, {"policies": tmp_path})


@pytest.fixture(scope="session")
def tiny_guard(tmp_path_factory: pytest.TempPathFactory) -> LoadedGuard:
    """A random Nemotron, loaded by the real code."""
    folder = write("nemotron", tmp_path_factory.mktemp("guard") / "nemotron")
    return load_guard(GuardSettings(path=str(folder), answers="warn"), "cpu")


class Told:
    """The guard's place in its lane, answering what a test tells it, and noting what it was asked."""

    def __init__(self, guard: LoadedGuard, says: float | Exception) -> None:
        self.kind, self.ref = guard.texts.kind, guard.texts.ref
        self.says = says
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def score(self, views: Sequence[View], concepts: Sequence[GuardPolicy]) -> list[Floats]:
        self.gate.wait(30)
        self.asked += [str(view.text) for view in views]
        if isinstance(self.says, Exception):
            raise self.says
        return [np.where(policy.covered, self.says, np.nan).astype(np.float32) for policy in concepts]


def models_with(embedded: Models, guard: LoadedGuard, told: Told | None = None) -> Models:
    models = guarded(embedded, guard._replace(pictures=None), GuardSettings(path="x").model_dump())
    return models if told is None else replace(models, scorers={**models.scorers, guard.texts.ref.name: told})


async def decided(bench: Bench, events: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    async with bench.running():
        bench.send(events)
        await bench.until(len(events))
    assert bench.held == (0, 0)
    return {decision["event_id"]: decision for decision in bench.decisions()}


def test_the_guards_lane_waits_and_packs(embedded: Models, tiny_guard: LoadedGuard) -> None:
    """For company as long as the embedded lanes may; a guard on CPU computes no padding."""
    waiting = {name: replace(limits, wait_s=0.02) for name, limits in embedded.limits.items()}
    models = models_with(replace(embedded, limits=waiting), tiny_guard)
    assert models.limits[tiny_guard.texts.ref.name].wait_s == 0.02
    assert models.limits[tiny_guard.texts.ref.name].packs


async def test_a_real_guard_judges_what_is_left_open(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """With its template, tokens, forward and calibration; the decision names it, and which stage settled the text."""
    bench = Bench(guarded_settings, models=models_with(embedded, tiny_guard))
    found = await decided(bench, [event("clean", HARMLESS), event("open", THREAT)])
    assert found["clean"]["stage"] == "first"
    assert [model["name"] for model in found["clean"]["models"]] == ["minilm"]
    assert found["open"]["stage"] == "guard"
    assert {model["name"] for model in found["open"]["models"]} == {"minilm", "nemotron"}
    assert found["open"]["degraded"] is None


async def test_the_guards_word_replaces_the_first_models(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """It frees what the embedded model would block, and blocks by its own score; its name stands in the reason."""
    for says, action in ((0.01, "allow"), (0.99, "block")):
        told = Told(tiny_guard, says)
        found = await decided(
            Bench(guarded_settings, models=models_with(embedded, tiny_guard, told)), [event("1", THREAT)]
        )
        assert found["1"]["action"] == action
        assert told.asked == [THREAT]
        assert all(reason["model"] == "nemotron" for reason in found["1"]["reasons"])


async def test_a_repeat_is_answered_from_memory(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """Of the same tenant; another tenant's is asked anew."""
    told = Told(tiny_guard, 0.99)
    bench = Bench(guarded_settings, models=models_with(embedded, tiny_guard, told))
    async with bench.running():
        for number, tenant in enumerate(("a", "a", "b")):
            bench.send([event(str(number), THREAT, tenant=tenant)])
            await bench.until(number + 1)
    found = {decision["event_id"]: decision for decision in bench.decisions()}
    assert [found[name]["stage"] for name in "012"] == ["guard", "repeat", "guard"]
    assert {found[name]["action"] for name in "012"} == {"block"}
    assert told.asked == [THREAT] * 2


async def test_what_a_list_blocks_never_reaches_the_guard(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """A word list's block needs no second opinion."""
    told = Told(tiny_guard, 0.0)
    bench = Bench(guarded_settings, models=models_with(embedded, tiny_guard, told))
    found = await decided(bench, [event("1", "I will find you and hurt everybody")])
    assert (found["1"]["action"], found["1"]["stage"], told.asked) == ("block", "first", [])


async def test_other_scripts_go_to_the_guard_alone(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """The embedded model's score of what it cannot read counts for nothing."""
    told = Told(tiny_guard, 0.02)
    bench = Bench(guarded_settings, models=models_with(embedded, tiny_guard, told))
    found = await decided(bench, [event("1", "我会找到你的，我知道你住在哪里")])
    assert (found["1"]["stage"], len(told.asked)) == ("guard", 1)
    assert max(found["1"]["scores"].values()) == pytest.approx(0.02, abs=1e-3)


async def test_a_guard_that_fails_leaves_the_first_models_score_and_says_so(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """NaN logits, out of memory, a server that is away: all are this error. Degraded, never a made-up score."""
    told = Told(tiny_guard, ModelFailed("no finite logit"))
    bench = Bench(guarded_settings, models=models_with(embedded, tiny_guard, told))
    found = await decided(bench, [event("1", THREAT)])
    assert [one["code"] for one in found["1"]["degraded"]] == ["model_failed"]
    assert "nemotron" in found["1"]["degraded"][0]["reason"]
    assert found["1"]["action"] == "block"  # by the first model
    assert {reason["model"] for reason in found["1"]["reasons"]} == {"minilm"}


async def test_a_guard_reads_a_picture_with_its_caption(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """In one prompt, by the real scorer; its score counts for the picture, and is not the one without the caption."""
    models = guarded(embedded, tiny_guard, GuardSettings(path="x").model_dump())
    picture = {"type": "image", "data": dict(bundled())["photo"]["parts"][0]["data"]}
    parts = ([picture], [picture, {"type": "text", "text": HARMLESS}])
    events = [orjson.dumps({"id": str(n), "tenant": "a", "parts": some}) for n, some in enumerate(parts)]
    found = await decided(Bench(guarded_settings, models=models), events)
    alone, with_caption = found["0"]["scores"], found["1"]["scores_by_type"]["image"]
    assert "nemotron-pictures" in {model["name"] for model in found["0"]["models"]}
    assert found["0"]["degraded"] is None
    assert alone.keys() == with_caption.keys()
    assert alone != with_caption


async def test_a_guard_that_hangs_is_given_up(
    guarded_settings: Settings, embedded: Models, tiny_guard: LoadedGuard
) -> None:
    """Past its time the view is degraded; a neighbour that does not need the guard is decided meanwhile."""
    told = Told(tiny_guard, 0.5)
    told.gate.clear()
    settings = load(None, {"policies": guarded_settings.policies, "parking.model_s": 1.5})
    bench = Bench(settings, models=models_with(embedded, tiny_guard, told))
    try:
        found = await decided(bench, [event("1", THREAT), event("2", HARMLESS)])
    finally:
        told.gate.set()
    assert [one["code"] for one in found["1"]["degraded"]] == ["model_failed"]
    assert found["2"]["degraded"] is None
