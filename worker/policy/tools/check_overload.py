"""Lint of what a policy says about too much and too late."""

from __future__ import annotations

from collections.abc import Iterator

from worker.policy.tools.findings import Finding
from worker.policy.tools.subject import Subject


def check_overload(subject: Subject) -> Iterator[Finding]:
    """TG601 and TG602."""
    otherwise, limits = subject.document.otherwise, subject.document.limits
    late = (otherwise and otherwise.late) or "score"
    if late == "allow" and subject.owns(("otherwise", "late")):
        message = "what is late or over the limit and on no list is allowed unseen: a flood gets past the models"
        mend = "say flag, unless lists are all that has to hold"
        yield subject.find("TG601", ("otherwise", "late"), message, mend, value=True)
    if late == "score" and limits and limits.events_per_s and subject.owns(("limits", "events_per_s")):
        message = "nothing is shed over this limit: it is scored all the same, and only counted"
        mend = 'add `"otherwise": {"late": "flag"}` to shed, or take the limit out'
        yield subject.find("TG602", ("limits", "events_per_s"), message, mend)
