"""Shieldstral: a judge of one query about one document, asked for each category by itself."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.models.guard.family import Category, Conversation, Family, Label

# The model's protocol, which its template leaves to the caller (mistralai/cookbook, shieldstral_policy_moderation).
_SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruction provided. "
    'Note that the answer can only be "yes" or "no".'
)


def _conversation(categories: Sequence[Category], content: str) -> Conversation:
    named = ", ".join(c.name for c in categories)
    defined = " ".join(c.definition or c.name for c in categories)
    asked = (
        f"<Instruct>: Decide whether the document violates a policy on: {named}.\n\n"
        f"<Query>: Content that violates this rule: {defined}\n\n<Document>: {content}"
    )
    return Conversation([{"role": "system", "content": _SYSTEM}, {"role": "user", "content": asked}], {})


SHIELDSTRAL = Family(
    "shieldstral",
    ("Mistral3ForConditionalGeneration",),
    _conversation,
    joint=False,
    policy_first=True,
    forced="",
    labels=(
        Label(("yes", "Yes", "yes.", '"yes"', "'yes'"), 1.0),
        Label(("no", "No", "no.", '"no"', "'no'"), 0.0),
    ),
    markers=(
        r"<\s*/?\s*(?:instruct|query|document)\s*>\s*:?",
        r"\[\s*/?\s*(?:user|assistant|inst|system_prompt|available_tools)\s*\]",
    ),
    languages=frozenset(["en", "fr", "es", "de", "it", "pt", "nl", "zh", "ja", "ko", "ar", "ru"]),
)
