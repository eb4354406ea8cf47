"""A message and those before it: a window of its speaker and one of everyone, each with the text that is read."""

from __future__ import annotations

from worker.core.streams import Together
from worker.core.views import TextSource
from worker.score.assessment import Assessment


def read_together(assessment: Assessment, together: Together | None) -> list[TextSource]:
    """Opens the windows in the assessment; gives their texts. None for a message that stands alone."""
    if together is None:
        return []
    return [
        assessment.open_window(kind, together.speaker, since, together.until, " ".join(said))
        for kind, since, said in together.windows
        if len(said) > 1
    ]
