"""ShieldGemma: one principle a question, the content before it, Yes or No at once."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.models.guard.family import Category, Conversation, Family, Label


def _conversation(categories: Sequence[Category], content: str) -> Conversation:
    guideline = " ".join(f'"No {c.name}": The prompt shall not contain {c.definition or c.name}' for c in categories)
    return Conversation([{"role": "user", "content": content}], {"guideline": guideline})


SHIELDGEMMA = Family(
    "shieldgemma",
    ("Gemma2ForCausalLM",),
    _conversation,
    joint=False,
    policy_first=False,
    forced="",
    labels=(Label(("Yes", " Yes", "yes"), 1.0), Label(("No", " No", "no"), 0.0)),
    markers=(
        r"^[ \t]*(?:human\s+question|chatbot\s+response)\s*:",
        r"^[ \t]*={3,}",
        r"safety\s+principles?\s+(?:is|are)\s+defined\s+in\s+the\s+below\s*:",
    ),
    languages=frozenset({"en"}),
)
