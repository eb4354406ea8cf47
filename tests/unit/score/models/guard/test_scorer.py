"""Views in, a probability for each category out: the joint question first, each category's own where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ops.guard.calibrate import fit
from tests.unit.score.models.guard.tiny import Tiny, generated
from worker.core.errors import ModelFailed
from worker.core.events import PartType
from worker.core.views import Floats, ModelRef, View, ViewKind
from worker.score.models.guard.calibration import Curve, Curves, save
from worker.score.models.guard.concepts import GuardConcepts
from worker.score.models.guard.forward import OneForward
from worker.score.models.guard.loading import load_guard
from worker.score.models.guard.prefixes import Prefixes
from worker.score.models.guard.prompts import Row
from worker.score.models.guard.scorer import Guard, GuardTexts
from worker.score.platt import Line
from worker.score.settings import GuardSettings

REF = ModelRef("guard", "1", "sha256:0")


class Spec(NamedTuple):
    """A category as a policy's compiler gives it."""

    path: str
    definition: str | None = None
    violating: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()


TREE = (
    Spec("hate", "Attacks people for who they are."),
    Spec("hate/slurs"),
    Spec("trade", None, ("selling maxed acct",)),
)


class Answering:
    """Says what it is told for each question, and counts: a stand-in for a model where only the asking matters."""

    def __init__(self, margin: Callable[[Row], float]) -> None:
        self.margin = margin
        self.batches: list[int] = []

    def margins(self, rows: Sequence[Row]) -> Floats:
        self.batches.append(len(rows))
        return np.array([self.margin(row) for row in rows], np.float32)


def view(text: str | None) -> View:
    return View("parts/0", ViewKind.TEXT, (PartType.TEXT,), np.zeros(1, np.int32), 1, text=text)


def test_scores_are_those_of_each_categorys_own_question(nemotron: Tiny) -> None:
    """NaN where a category has no words; equal to `generate` where nothing is to be taken off."""
    prompts = nemotron.prompts
    policy = GuardConcepts("guard", prompts).compile(TREE)["guard"]
    known = Curves(nemotron.checkpoint.digest)
    known._known.update(  # the plain probability
        {(path, asked.question.digest): Curve.line(Line(1, 0), "context")
         for path, asked in zip(policy.paths, policy.each, strict=True) if asked}
    )  # fmt: skip
    reads = OneForward(nemotron.model, prefixes=Prefixes(1 << 30))
    scores = GuardTexts(Guard(reads, prompts, known, floor=0.0), prompts, REF).score([view("hello you")], [policy])[0]
    assert np.isnan(scores[1])
    for column in (0, 2):
        row = prompts.rows([(policy.each[column].question, "hello you")])[0]
        assert scores[column] == pytest.approx(generated(nemotron.model, row), abs=1e-4)


def test_what_is_clean_to_the_joint_question_is_asked_no_further(nemotron: Tiny) -> None:
    """Its score stands for every category: none can be likelier than any."""
    policy = GuardConcepts("guard", nemotron.prompts).compile(TREE)["guard"]
    answering = Answering(lambda row: -4.0)
    scores = GuardTexts(Guard(answering, nemotron.prompts, Curves("")), nemotron.prompts, REF).score(
        [view("hello"), view("hello"), view("hi")], [policy] * 3
    )
    assert answering.batches == [1, 2]  # the empty document, and two texts: a repeat is no work
    assert scores[0][[0, 2]] == pytest.approx(1 / (1 + np.exp(4)), rel=1e-4)
    answering.margin = lambda row: 1.0
    answering.batches.clear()
    GuardTexts(Guard(answering, nemotron.prompts, Curves("")), nemotron.prompts, REF).score([view("hello")], [policy])
    assert answering.batches == [1, 1, 2, 2]  # the joint one; then two categories, each after its empty document


def test_a_taxonomy_of_its_own_is_asked_by_name(guard_of: Callable[[str], Tiny]) -> None:
    """Qwen3Guard: a category takes part only by a detector, and is no likelier than anything being wrong."""
    one = guard_of("qwen3guard")
    tree = (Spec("violence", "…", detectors=("qwen3guard/violent",)), Spec("spam", "Unwanted advertising."))
    policy = GuardConcepts("guard", one.prompts).compile(tree)["guard"]
    assert [bool(asked) for asked in policy.each] == [True, False]
    guard = Guard(OneForward(one.model, prefixes=Prefixes(1 << 30)), one.prompts, Curves(""), floor=0.0)
    scores = GuardTexts(guard, one.prompts, REF).score([view("I will find you")], [policy])[0]
    joint = one.prompts.rows([(policy.joint, "I will find you")])[0]
    assert 0 < scores[0] <= generated(one.model, joint) + 1e-6
    assert np.isnan(scores[1])


def test_tenants_with_the_same_words_share_questions(nemotron: Tiny) -> None:
    """And one with a threshold of its own has the same policy: concepts hold no thresholds."""
    concepts = GuardConcepts("guard", nemotron.prompts)
    first, again = concepts.compile(TREE)["guard"], concepts.compile(TREE)["guard"]
    other = concepts.compile((TREE[0],))["guard"]
    assert first is again
    assert other.each[0].question is first.each[0].question
    assert other.joint is None
    assert GuardConcepts("guard", nemotron.prompts).compile(TREE)["guard"].digest == first.digest
    assert concepts.compile((Spec("x"),)) == {}


def test_an_overeager_prompt_is_calibrated_by_an_empty_document(nemotron: Tiny) -> None:
    """What it sees in nothing is taken off what it sees in a text; what sees nothing in nothing stays as it is."""
    policy = GuardConcepts("guard", nemotron.prompts).compile(TREE[:1])["guard"]
    empty = nemotron.prompts.rows([(policy.each[0].question, "")])[0]

    def scored(of_empty: float, of_text: float) -> float:
        answering = Answering(lambda row: of_empty if len(row.ids) == len(empty.ids) else of_text)
        guard = Guard(answering, nemotron.prompts, Curves(""))
        return float(GuardTexts(guard, nemotron.prompts, REF).score([view("hello there, you")], [policy])[0][0])

    assert scored(2.0, 2.0) == pytest.approx(0.05, abs=1e-3)
    assert scored(-6.0, 2.0) == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-3)


def test_questions_are_calibrated_when_their_policy_is_compiled(nemotron: Tiny, tmp_path: Path) -> None:
    """Each once, whoever shares it, but those that labels have; so the first content waits for nothing."""
    answering = Answering(lambda row: 1.0)
    policy = GuardConcepts("guard", nemotron.prompts).compile(TREE)["guard"]
    save(tmp_path / "c.json", "m", {("trade", policy.each[2].question.digest): Curve.line(Line(1, 0), "platt")})
    guard = Guard(answering, nemotron.prompts, Curves("m", tmp_path / "c.json"), floor=0.0)
    concepts = GuardConcepts("guard", nemotron.prompts, learn=guard.learn)
    first, again = concepts.compile(TREE)["guard"], concepts.compile(TREE[:2])["guard"]
    assert answering.batches == [1, 1]  # hate, and both together; hate alone is known
    answering.batches.clear()
    GuardTexts(guard, nemotron.prompts, REF).score([view("hello")] * 2, [first, again])
    assert answering.batches == [1, 3]


def test_a_calibration_that_fails_is_left_to_the_first_content(nemotron: Tiny) -> None:
    """A server that is away while a policy is compiled keeps no policy out of force."""
    answering = Answering(lambda row: 1 / 0)
    answering.margins = lambda rows: _fail()  # type: ignore[method-assign]
    guard = Guard(answering, nemotron.prompts, Curves(""))
    policy = GuardConcepts("guard", nemotron.prompts, learn=guard.learn).compile(TREE[:1])["guard"]
    del answering.margins
    answering.margin = lambda row: 2.0
    score = GuardTexts(guard, nemotron.prompts, REF).score([view("hello")], [policy])[0][0]
    assert answering.batches == [1, 1]
    assert score == pytest.approx(0.05, abs=1e-3)


def _fail() -> Floats:
    raise ModelFailed("away")


def test_curves_of_labels_are_read_from_their_file(nemotron: Tiny, tmp_path: Path) -> None:
    """By model, category and question: another question goes by the empty document again."""
    file = tmp_path / "curves.json"
    policy = GuardConcepts("guard", nemotron.prompts).compile(TREE[:1])["guard"]
    digest = policy.each[0].question.digest
    save(file, "m", {("hate", digest): Curve.line(Line(0.5, -1.0), "platt")})
    assert Curves("m", file).get("hate", digest) == Curve.line(Line(0.5, -1.0), "platt")
    assert Curves("other", file).get("hate", digest) is None
    guard = Guard(Answering(lambda row: 4.0), nemotron.prompts, Curves("m", file))
    score = GuardTexts(guard, nemotron.prompts, REF).score([view("hello")], [policy])[0][0]
    assert score == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)


def test_labels_are_fitted_by_question(nemotron: Tiny) -> None:
    """A category with labels of one kind has no curve; the joint question goes by `any`."""
    policy = GuardConcepts("guard", nemotron.prompts).compile(TREE)["guard"]
    violating = nemotron.prompts.neutral("sell you gold")
    answering = Answering(lambda row: 6.0 if violating in nemotron.prompts.tokenizer.decode(row.ids) else -6.0)
    texts = GuardTexts(Guard(answering, nemotron.prompts, Curves("")), nemotron.prompts, REF)
    lines = [
        {"parts": [{"type": "text", "text": text}], "labels": {"trade": trade, "hate": 0, "any": trade}}
        for text, trade in (("hello you", 0), ("sell you gold", 1)) * 40
    ]
    curves = fit(texts, policy, lines)
    assert {path for path, _ in curves} == {"trade", ""}
    trade = curves["trade", policy.each[2].question.digest]
    assert trade.probability(6.0) > 0.9
    assert trade.probability(-6.0) < 0.1


def test_a_view_without_its_text_is_a_failed_model(nemotron: Tiny) -> None:
    """Never a score of something else."""
    policy = GuardConcepts("guard", nemotron.prompts).compile(TREE)["guard"]
    guard = Guard(Answering(lambda row: 0.0), nemotron.prompts, Curves(""))
    with pytest.raises(ModelFailed, match="without its text"):
        GuardTexts(guard, nemotron.prompts, REF).score([view(None)], [policy])


def test_a_picture_is_judged_with_its_text(nemotron: Tiny) -> None:
    """In one prompt, by the processor's own preparation, equal to transformers on the same; the text counts."""
    loaded = load_guard(GuardSettings(path=str(nemotron.folder), answers="warn", floor=0.0), "cpu")
    assert loaded.pictures is not None
    assert loaded.picture_concepts is not None
    policy = loaded.picture_concepts.compile(TREE[:1])[loaded.pictures.ref.name]
    picture = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)

    def judged(text: str | None) -> float:
        look = View("parts/0", ViewKind.IMAGE, (PartType.IMAGE,), picture, 1, text=text)
        return float(loaded.pictures.score([look], [policy])[0][0])  # type: ignore[union-attr]

    import torch
    from PIL import Image

    question = policy.each[0].question
    inputs = nemotron.prompts.processor(
        text=[question.before + "you" + question.after],
        images=[[Image.fromarray(picture)]],
        return_tensors="pt",
        add_special_tokens=False,
    )
    assert int((inputs["input_ids"] == nemotron.model.config.image_token_id).sum()) == 4
    with torch.inference_mode():
        logits = nemotron.model(**inputs).logits[0, -1, torch.from_numpy(question.labels.ids)].double()
    expected = float((logits.softmax(-1).numpy() * question.labels.violation).sum())
    margin = np.log(expected / (1 - expected))
    curve = loaded.pictures._guard._learnt  # what the empty document said is taken off
    score = judged("you")
    assert score == pytest.approx(curve[question].probability(float(margin)), abs=1e-4)
    assert abs(score - judged(None)) > 1e-6
