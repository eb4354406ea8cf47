"""Llama Guard 3 and 4: categories by an argument of the template, the verdict after two line ends."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.models.guard.family import Category, Conversation, Family, Label, user


def _conversation(categories: Sequence[Category], content: str) -> Conversation:
    listed = {f"S{n}": f"{c.name}.\n{c.definition}".rstrip() for n, c in enumerate(categories, 1)}
    return Conversation(user(content), {"categories": listed})


_MARKERS = (
    r"<\s*/?\s*(?:begin|end)\s+(?:conversation|unsafe\s+content\s+categories)\s*>",
    r"^[ \t]*(?:user|agent|task)\s*:",
    r"^[ \t]*S\d+\s*:",
)
_LANGUAGES = frozenset(["en", "fr", "de", "hi", "it", "pt", "es", "th"])
_LABELS = (Label(("unsafe",), 1.0), Label(("safe",), 0.0))

LLAMA_GUARD = Family(
    "llama-guard",
    ("LlamaForCausalLM", "MllamaForConditionalGeneration"),
    _conversation,
    joint=True,
    policy_first=True,
    forced="\n\n",
    labels=_LABELS,
    markers=_MARKERS,
    languages=_LANGUAGES,
)
LLAMA_GUARD_4 = Family(
    "llama-guard-4",
    ("Llama4ForConditionalGeneration",),
    _conversation,
    joint=True,
    policy_first=True,
    forced="\n\n",
    labels=_LABELS,
    markers=_MARKERS,
    languages=_LANGUAGES,
)
