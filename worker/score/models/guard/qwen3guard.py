"""Qwen3Guard-Gen: a policy of its own that none replaces; its categories by name, as detectors of a policy."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.models.guard.family import Category, Conversation, Family, Label, Named

_NAMES = {
    "violent": " Violent",
    "illegal": " Non-violent Illegal Acts",
    "sexual": " Sexual Content or Sexual Acts",
    "pii": " PII",
    "self-harm": " Suicide & Self-Harm",
    "unethical": " Unethical Acts",
    "political": " Politically Sensitive Topics",
    "copyright": " Copyright Violation",
    "jailbreak": " Jailbreak",
    "none": " None",
}


def _conversation(categories: Sequence[Category], content: str) -> Conversation:
    return Conversation([{"role": "user", "content": content}], {})


QWEN3GUARD = Family(
    "qwen3guard",
    ("Qwen3ForCausalLM",),
    _conversation,
    joint=True,
    policy_first=True,
    forced="Safety:",
    # what is neither counts half: its makers' strict mode takes it for unsafe, their loose mode for safe
    labels=(Label((" Unsafe",), 1.0), Label((" Controversial",), 0.5), Label((" Safe",), 0.0)),
    markers=(
        r"<\s*/?\s*(?:begin|end)\s+(?:conversation|safety\s+policy|unsafe\s+content\s+categories)\s*>",
        r"^[ \t]*(?:user|assistant)\s*:",
        r"^[ \t]*(?:safety|categories|refusal)\s*:",
        r"<\s*/?\s*think\s*>",
    ),
    named=Named("Safety: Unsafe\nCategories:", {f"qwen3guard/{name}": label for name, label in _NAMES.items()}),
)
