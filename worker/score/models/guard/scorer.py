"""The scorer of guard models: views in, a probability for each category out, in one or two forwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import structlog

from worker.core.errors import ModelFailed
from worker.core.views import Floats, ModelRef, View, ViewKind
from worker.score.models.guard.calibration import Curve, Curves, from_context
from worker.score.models.guard.concepts import Asked, GuardPolicy
from worker.score.models.guard.prompts import Picture, Prompts, Question, Row

_log = structlog.get_logger(__name__)

GREY = np.full((64, 64, 3), 128, np.uint8)  # the picture of an empty document


class Reads(Protocol):
    """What answers rows: a model of this process (`OneForward`), or a server (`RemoteGuard`)."""

    def margins(self, rows: Sequence[Row]) -> Floats:
        """float32 [N], log-odds of a violation. Raises ModelFailed."""
        ...


class Content(NamedTuple):
    """What is judged: a neutral text, and a picture beside it or alone."""

    text: str
    picture: Picture | None = None


class Guard:
    """
    Judges contents under policies: in the device's thread, but for `learn`.

    The joint question first: it says how likely any category is violated, and no category can be more likely than
    that. Below `floor` this is every category's score and nothing more is asked; over it each category has a question
    of its own, which guards answer better than one about all.

    Args:
        floor: probability of the joint question, 0 to 1, under which no category is asked for by itself.
        curves: calibration; questions without one go by what the model says of an empty document.
    """

    def __init__(self, reads: Reads, prompts: Prompts, curves: Curves, floor: float = 0.05) -> None:
        self._reads, self._prompts, self._curves, self._floor = reads, prompts, curves, floor
        self._learnt: WeakKeyDictionary[Question, Curve] = WeakKeyDictionary()

    def margins(self, question: Question, texts: Sequence[str]) -> Floats:
        """float32 [N], log-odds before calibration, of neutral texts. Raises ModelFailed."""
        return self._reads.margins(self._rows([(question, Content(text)) for text in texts]))

    def learn(self, policy: GuardPolicy, picture: Picture | None = None) -> None:
        """
        Calibrate by an empty document the questions of a policy that labels have not: when it is compiled.

        Their prefixes are kept then, too. What fails is told, and left to the first content.

        Args:
            picture: of the empty document, for questions about pictures.
        """
        asked = [(path, one.question) for path, one in zip(policy.paths, policy.each, strict=True) if one is not None]
        if policy.joint is not None:
            asked.append(("", policy.joint))
        try:
            for question in self._fresh(asked):  # one by one: the device's batches go on between them
                self._learn([question], picture)
        except ModelFailed as error:
            _log.warning("guard.not_calibrated", reason=str(error), effect="a first content waits for it")

    def judge(self, contents: Sequence[Content], policies: Sequence[GuardPolicy]) -> list[Floats]:
        """
        For each content, float32 [C] of its policy; NaN where a category has no question.

        Raises:
            ModelFailed: the model raised, or gave no finite number.
        """
        joint = [(place, p.joint, "") for place, p in enumerate(policies) if p.joint is not None]
        any_of = {place: score for (place, _, _), score in zip(joint, self._ask(joint, contents), strict=True)}
        wanted: list[tuple[int, Question, str]] = []
        for place, policy in enumerate(policies):
            if any_of.get(place, 1.0) >= self._floor:
                own = zip(policy.each, policy.paths, strict=True)
                wanted += [(place, one.question, path) for one, path in own if one is not None]
        found = {
            (place, path): score for (place, _, path), score in zip(wanted, self._ask(wanted, contents), strict=True)
        }
        return [self._scores(place, policy, any_of, found) for place, policy in enumerate(policies)]

    def _scores(
        self, place: int, policy: GuardPolicy, any_of: dict[int, float], found: dict[tuple[int, str], float]
    ) -> Floats:
        scores = np.full(len(policy.paths), np.nan, np.float32)
        for column, (asked, path) in enumerate(zip(policy.each, policy.paths, strict=True)):
            if asked is not None:
                scores[column] = self._score(asked, found.get((place, path)), any_of.get(place))
        return scores

    @staticmethod
    def _score(asked: Asked, own: float | None, joint: float | None) -> float:
        if own is None:
            assert joint is not None, "a category was asked neither alone nor with others. This is a bug."
            return joint
        return own * joint if asked.given and joint is not None else own

    def _ask(self, asked: Sequence[tuple[int, Question, str]], contents: Sequence[Content]) -> list[float]:
        """Calibrated probabilities of (place of a content, question, category)."""
        if not asked:
            return []
        if fresh := self._fresh([(path, question) for _, question, path in asked]):
            self._learn(fresh, None if contents[0].picture is None else GREY)
        margins = self._reads.margins(self._rows([(question, contents[place]) for place, question, _ in asked]))
        found = []
        for (_, question, path), margin in zip(asked, margins, strict=True):
            curve = self._curve(path, question)
            assert curve is not None, "a question without a curve. This is a bug."
            found.append(curve.probability(float(margin)))
        return found

    def _curve(self, path: str, question: Question) -> Curve | None:
        return self._curves.get(path, question.digest) or self._learnt.get(question)

    def _fresh(self, asked: Sequence[tuple[str, Question]]) -> list[Question]:
        """Questions without a curve, each once."""
        return list(dict.fromkeys(question for path, question in asked if self._curve(path, question) is None))

    def _learn(self, questions: Sequence[Question], picture: Picture | None) -> None:
        empty = self._rows([(question, Content("", picture)) for question in questions])
        for question, margin in zip(questions, self._reads.margins(empty), strict=True):
            self._learnt[question] = from_context(float(margin))

    def _rows(self, asked: Sequence[tuple[Question, Content]]) -> list[Row]:
        """Texts in one go: fast tokenizers use all cores, and content-first prompts find what they share."""
        if any(content.picture is not None for _, content in asked):
            return [self._prompts.picture_row(q, c.text, c.picture) for q, c in asked if c.picture is not None]
        return self._prompts.rows([(question, content.text) for question, content in asked])


class GuardTexts:
    """The scorer of text views (port `Scorer`)."""

    kind = ViewKind.TEXT

    def __init__(self, guard: Guard, prompts: Prompts, ref: ModelRef) -> None:
        self._guard, self._prompts, self.ref = guard, prompts, ref

    def score(self, views: Sequence[View], concepts: Sequence[GuardPolicy]) -> list[Floats]:
        """
        For each view (its `text`), float32 [C]; each distinct text is judged once under a policy.

        Raises:
            ModelFailed: a view without its text, or what the guard raised.
        """
        places: dict[tuple[str, int], int] = {}
        contents: list[Content] = []
        policies: list[GuardPolicy] = []
        which = []
        for view, policy in zip(views, concepts, strict=True):
            if view.text is None:
                raise ModelFailed(f"{self.ref.name} was given a view without its text")
            key = (view.text, id(policy))
            if key not in places:
                places[key] = len(contents)
                contents.append(Content(self._prompts.neutral(view.text)))
                policies.append(policy)
            which.append(places[key])
        found = self._guard.judge(contents, policies)
        return [found[place] for place in which]

    def margins(self, question: Question, texts: Sequence[str]) -> Floats:
        """float32 [N], log-odds of a question before calibration: what calibrations are fitted on."""
        return self._guard.margins(question, [self._prompts.neutral(text) for text in texts])


class GuardPictures:
    """The scorer of picture views: the picture, with the event's own text beside it where it has one."""

    kind = ViewKind.IMAGE

    def __init__(self, guard: Guard, prompts: Prompts, ref: ModelRef) -> None:
        self._guard, self._prompts, self.ref = guard, prompts, ref

    def score(self, views: Sequence[View], concepts: Sequence[GuardPolicy]) -> list[Floats]:
        """For each view (uint8 [H, W, 3] RGB), float32 [C]. Raises ModelFailed."""
        contents = [Content(self._prompts.neutral(view.text or ""), view.content) for view in views]
        return self._guard.judge(contents, concepts)
