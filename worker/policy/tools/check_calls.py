"""Lint of how a policy watches calls and conversations."""

from __future__ import annotations

from collections.abc import Iterator

from worker.core.errors import PolicyRejected
from worker.policy.calls import call_rules
from worker.policy.tools.findings import Finding
from worker.policy.tools.subject import Subject


def check_calls(subject: Subject) -> Iterator[Finding]:
    """TG701 to TG704."""
    try:
        rules = call_rules(subject.resolved)
    except PolicyRejected as error:
        if error.file == subject.file:
            subject.gathered.rejected("TG701", error, "mend one of the two", value=True)
        return
    said = subject.document.calls
    if said is None:
        return
    if said.clear_margin == 0 and subject.owns(("calls", "clear_margin")):
        message = "a state clears as soon as a window is under the threshold: near it, it goes to and fro"
        yield subject.find("TG702", ("calls", "clear_margin"), message, "say 0.2, or leave it out", value=True)
    if rules.cooldown_s > rules.expire_s and subject.owns(("calls", "cooldown_s")):
        message = f"a stream is forgotten after `expire_s` {rules.expire_s:g}: no state is kept so long without a word"
        mend = "lower it, or raise `expire_s`"
        yield subject.find("TG703", ("calls", "cooldown_s"), message, mend, value=True)
    if rules.messages == 1 and subject.owns(("calls", "messages")):
        message = "one message by itself is read anyway"
        yield subject.find("TG704", ("calls", "messages"), message, "say 0 to read none together, or more", value=True)
