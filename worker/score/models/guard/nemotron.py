"""Nemotron-3.5-Content-Safety (and 3): Gemma-3 with a taxonomy that the template takes; text and one picture."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.models.guard.family import Category, Conversation, Family, Label, user


def _conversation(categories: Sequence[Category], content: str) -> Conversation:
    """The template's Mode B: the tenant's tree replaces the list of categories, the rest of the prompt stays."""
    taxonomy = "\n".join(f"S{n}: {c.name}. {c.definition}".rstrip() for n, c in enumerate(categories, 1))
    return Conversation(
        user(content),
        {"custom_taxonomy": taxonomy, "request_categories": "/no_categories", "enable_thinking": False},
    )


NEMOTRON = Family(
    "nemotron",
    ("Gemma3ForConditionalGeneration",),
    _conversation,
    joint=True,
    policy_first=True,
    forced="User Safety:",
    labels=(Label((" unsafe",), 1.0), Label((" safe",), 0.0)),
    markers=(
        r"<\s*/?\s*(?:begin|end)\s+conversation\s*>",
        r"^[ \t]*(?:user|human|assistant|response|agent|model|output)\s*:",
        r"(?:user|response)\s+safety\s*:",
        r"safety\s+categories\s*:",
        r"^[ \t]*taxonomy\s*:",
    ),
    pictures=True,
    languages=frozenset(["en", "ar", "de", "es", "fr", "hi", "ja", "th", "nl", "it", "ko", "zh"]),
)
