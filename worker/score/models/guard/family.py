"""What differs between families of guard models: how they are asked, where they answer, and with which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Category(NamedTuple):
    """What a prompt says of a category of the tenant's tree."""

    name: str  # "hate / threatening"
    definition: str


class Conversation(NamedTuple):
    """What goes into a checkpoint's chat template: its messages, and the template's own arguments."""

    messages: list[dict[str, Any]]
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Label:
    """
    One answer that the model may give at the forced position.

    spellings: variants that count together; the first must be one token, further ones count when they are.
    violation: what the answer says of a violation, 0 (none) to 1.
    whole: False when the first token of the spelling stands for it.
    """

    spellings: tuple[str, ...]
    violation: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Named:
    """
    How a model with a taxonomy of its own names a category, once it has answered that something is wrong.

    forced: the answer up to the name. names: the labels in question, by the detector that a policy asks for.
    """

    forced: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """
    An adapter: all that the scorer must know of a family. The prompt is always the checkpoint's own template.

    architectures: class names in the checkpoint's `config.json`.
    conversation: categories and content to what the template is given.
    joint: one question covers all categories; each has one of its own beside it, for what the joint one found.
    policy_first: the policy stands before the content, so its prefix serves all contents; else the content's prefix
        serves all questions about it.
    forced: what a real answer begins with, before the label.
    markers: patterns that structure the prompt, `<`, `>`, `:` in any width; content never holds them.
    hint: what the template of this member of the family mentions, where an architecture has several.
    pictures: it reads one picture beside the text.
    named: for a taxonomy of its own, which no policy can replace.
    languages: ISO 639-1 codes of those that its makers name; none where they say that it reads them all.
    """

    name: str
    architectures: tuple[str, ...]
    conversation: Callable[[Sequence[Category], str], Conversation]
    joint: bool
    policy_first: bool
    forced: str
    labels: tuple[Label, ...]
    markers: tuple[str, ...] = ()
    hint: str = ""
    pictures: bool = False
    named: Named | None = field(default=None)
    languages: frozenset[str] = frozenset()

    @property
    def shows_policy(self) -> bool:
        """True when the rendered prompt must hold the tenant's definitions."""
        return self.named is None


def user(content: str) -> list[dict[str, Any]]:
    """One message of a user, in parts, as templates of models that see pictures want it."""
    return [{"role": "user", "content": [{"type": "text", "text": content}]}]
