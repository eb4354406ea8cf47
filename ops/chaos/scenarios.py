"""A short run for each mutation that must catch it, and what it must be caught as."""

from __future__ import annotations

from ops.chaos.run import Options, Outcome

_ALO, _EOS = "at-least-once", "exactly-once"


def _options(mutation: str, guarantee: str, *faults: str, freeze: str | None = None) -> Options:
    return Options(1, guarantee, 8.0, 8_000, faults, settle_s=20.0, mutation=mutation, freeze=freeze)


SCENARIOS: tuple[tuple[Options, tuple[str, ...]], ...] = (
    (_options("commit-before-ack", _ALO), ("ahead", "lost")),
    (_options("commit-before-ack", _EOS), ("ahead", "lost")),
    (_options("commit-past-a-gap", _ALO), ("ahead", "lost")),
    (_options("skip-the-fence", _EOS, "zombie", freeze="commit_transaction"), ("duplicated", "hanging", "lost")),
    (_options("drop-the-order", _ALO), ("reordered",)),
    (_options("drop-the-order", _EOS), ("reordered", "lost", "ahead")),
    (_options("swallow-an-error", _ALO, "refuse"), ("lost", "ahead")),
    (_options("swallow-an-error", _EOS, "refuse"), ("lost", "ahead", "stuck")),
    (_options("forget-the-id", _ALO, "kill"), ("doubled",)),
    (_options("mix-policies", _ALO, "reload"), ("mixed_policy", "stale_policy")),
)


def caught(outcome: Outcome, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the wanted findings a run has."""
    found = {finding.partition(":")[0] for finding in outcome.verdict.findings}
    return tuple(name for name in wanted if name in found)
