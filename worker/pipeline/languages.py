"""Texts in a language that the text model does not read: said in the decision, and decided by `otherwise.language`."""

from __future__ import annotations

from typing import Protocol

from worker.core.events import Degradation, PartType
from worker.core.views import TextSource
from worker.score.assessment import Assessment
from worker.window.rewriting import Normalised

_CODE = "foreign_language"


class Identifies(Protocol):
    """`window/`: tells languages apart."""

    def foreign(self, text: str) -> str | None: ...


def understood(views: Identifies, assessment: Assessment, source: TextSource, normalised: Normalised | None) -> bool:
    """
    Whether text models look at a text; the assessment is told when it is in a language that they do not read.

    `score` as the policy's `otherwise.language` means that they look all the same. Transcripts and OCR are in the
    language of the models that made them.
    """
    if source.types != (PartType.TEXT,):
        return True
    language = views.foreign(source.text if normalised is None else normalised.text)
    if language is None:
        return True
    reason = f"its language ({language}) is none that the text model reads"
    assessment.findings.degraded.append(Degradation("foreign_language", "language", source.path, reason))
    return assessment.policy.otherwise("language") == "score"


def left_out(assessment: Assessment) -> bool:
    """True when some text was left to `otherwise.language`: read with the others it would be scored after all."""
    foreign = any(found.code == _CODE for found in assessment.findings.degraded)
    return foreign and assessment.policy.otherwise("language") != "score"
