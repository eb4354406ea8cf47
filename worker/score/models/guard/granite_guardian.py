"""Granite Guardian 3.3 (criteria by an argument of the template) and 4.1 (criteria in a message of their own)."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.models.guard.family import Category, Conversation, Family, Label


def _criteria(categories: Sequence[Category]) -> str:
    return " ".join(f"{c.name}: {c.definition}" if c.definition else c.name for c in categories)


def _by_argument(categories: Sequence[Category], content: str) -> Conversation:
    guardian = {"custom_criteria": _criteria(categories)}
    return Conversation(
        [{"role": "user", "content": content}],
        {"guardian_config": guardian, "think": False, "no_think": True},
    )


def _by_message(categories: Sequence[Category], content: str) -> Conversation:
    """The protocol of 4.1, which its template leaves to the caller (ibm-granite/granite-guardian)."""
    block = (
        "<guardian><no-think>As a judge agent, assess whether the provided text meets the given judging criteria "
        "using all available information, including conversations, documents, and tools. Provide your score "
        "immediately without explanation. Output empty <think>\n</think> tags followed by your score in "
        f"<score></score> tags.\n\n### Criteria: {_criteria(categories)}\n\n### Scoring Schema: "
        "If the last user's text meets the criteria, return 'yes'; otherwise, return 'no'."
    )
    return Conversation([{"role": "user", "content": content}, {"role": "user", "content": block}], {})


_LABELS = (Label(("yes", " yes", "Yes", " Yes"), 1.0), Label(("no", " no", "No", " No"), 0.0))
_MARKERS = (
    r"<\s*/?\s*(?:guardian|no-think|think|score|confidence)\s*>",
    r"###\s*(?:criteria|scoring\s+schema)\s*:",
)

GRANITE_GUARDIAN = Family(
    "granite-guardian",
    ("GraniteForCausalLM",),
    _by_argument,
    joint=False,
    policy_first=False,
    forced="<think>\n</think>\n<score>",
    labels=_LABELS,
    markers=_MARKERS,
    languages=frozenset({"en"}),
    hint="guardian_config",
)
GRANITE_GUARDIAN_4 = Family(
    "granite-guardian-4",
    ("GraniteForCausalLM",),
    _by_message,
    joint=False,
    policy_first=False,
    forced="<think>\n</think>\n<score>",
    labels=_LABELS,
    markers=_MARKERS,
    languages=frozenset({"en"}),
)
