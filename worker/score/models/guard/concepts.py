"""A policy's categories to questions for a guard; tenants with the same words share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from worker.core.events import PART_TYPES
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Thresholds
from worker.score.models.guard.family import Category, Label
from worker.score.models.guard.prompts import Prompts, Question
from worker.score.weights import content_digest

_POINTS = (0.2, 0.5, 0.8)  # high recall, balanced, high precision: of a probability, with no labels to set them by
_EXAMPLES = 3

_Key = tuple[tuple[Category, ...], str, bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """A category's own question. given: it supposes that something is wrong, so the joint question's answer counts."""

    question: Question
    given: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class GuardPolicy:
    """
    What a guard is asked under one policy.

    joint: covers all categories that have a question; None where the family asks for each alone.
    each: C entries, None where a category has no words.
    paths: C category paths. digest: of everything rendered.
    """

    joint: Question | None
    each: tuple[Asked | None, ...]
    paths: tuple[str, ...]
    digest: str

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """bool [C]: categories that it is asked about."""
        return np.array([asked is not None for asked in self.each], np.bool_)


class GuardConcepts:
    """
    Compiles categories for a guard's scorer (port `ConceptCompiler`). Safe to call from several threads.

    Args:
        name: of the scorer. prompts: of the checkpoint. picture: for the scorer of pictures.
        learn: told of every policy, before anything is judged by it.
    """

    def __init__(
        self, name: str, prompts: Prompts, *, picture: bool = False, learn: Callable[[GuardPolicy], None] | None = None
    ) -> None:
        self._name, self._prompts, self._picture, self._learn = name, prompts, picture, learn
        self._questions: WeakValueDictionary[_Key, Question] = WeakValueDictionary()
        self._policies: WeakValueDictionary[str, GuardPolicy] = WeakValueDictionary()
        self._lock = Lock()

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """`GuardPolicy` by scorer name; nothing when no category has words (or a detector of the model's own)."""
        with self._lock:
            each = [self._own(category) for category in categories]
            if not any(each):
                return {}
            joint = self._joint(categories, each)
            digests = [one.question.digest if one else "" for one in each]
            digest = content_digest(joint.digest if joint else "", *digests)
            made = GuardPolicy(joint, tuple(each), tuple(c.path for c in categories), digest)
            made = self._policies.setdefault(content_digest(digest, *made.paths), made)
        if self._learn is not None:
            self._learn(made)
        return {self._name: made}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """Fixed numbers for texts and pictures, where a question is asked: see docs/models.md."""
        asked = [bool(self._covers(category)) for category in categories]
        if not any(asked):
            return None
        found = np.full((len(_POINTS), len(PART_TYPES), len(categories)), np.nan)
        found[:, :, np.flatnonzero(asked)] = np.array(_POINTS)[:, np.newaxis, np.newaxis]
        return found

    def _covers(self, category: CategorySpec) -> Category | str | None:
        named = self._prompts.family.named
        if named is not None:
            return next((detector for detector in category.detectors if detector in named.names), None)
        return described(category)

    def _own(self, category: CategorySpec) -> Asked | None:
        covered = self._covers(category)
        named = self._prompts.family.named
        if covered is None:
            return None
        if isinstance(covered, Category):
            return Asked(self._question((covered,)))
        assert named is not None
        names = {named.names[covered]: 1.0} | {n: 0.0 for n in named.names.values() if n != named.names[covered]}
        labels = tuple(Label((name,), violation, whole=False) for name, violation in names.items())
        return Asked(self._question((), forced=named.forced, labels=labels, key=covered), given=True)

    def _joint(self, categories: Sequence[CategorySpec], each: Sequence[Asked | None]) -> Question | None:
        family = self._prompts.family
        if not family.joint:
            return None
        if family.named is not None:
            return self._question(())
        words = tuple(found for category in categories if (found := described(category)) is not None)
        return self._question(words) if len(words) > 1 else None  # alone, its own question is the joint one

    def _question(
        self,
        categories: tuple[Category, ...],
        *,
        forced: str | None = None,
        labels: tuple[Label, ...] | None = None,
        key: str = "",
    ) -> Question:
        place = (categories, key, self._picture)
        found = self._questions.get(place)
        if found is None:
            found = self._prompts.question(categories, forced=forced, labels=labels, picture=self._picture)
            self._questions[place] = found
        return found


def described(category: CategorySpec) -> Category | None:
    """A category's words as a prompt has them: its definition, else examples of it; None where it has neither."""
    name = category.path.replace("_", " ").replace("/", " / ")
    definition = (category.definition or "").strip()
    if not definition:
        examples = [text.strip() for text in category.violating if text.strip()][:_EXAMPLES]
        if not examples:
            return None
        definition = "Content like: " + "; ".join(examples)
    return Category(name, definition)
