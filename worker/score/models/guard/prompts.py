"""Questions and rows: the checkpoint's own template filled with a policy, and token ids with the label's positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.core.errors import ConfigError, ModelFailed
from worker.score.models.guard.family import Category, Family, Label
from worker.score.models.guard.neutral import Neutral
from worker.score.weights import content_digest

Ids = npt.NDArray[np.int32]
Picture = npt.NDArray[np.uint8]  # [H, W, 3] RGB

_CONTENT = "\ue000content\ue001"  # stands for the content while a prompt is rendered; private use, in no vocabulary
_PROBES = ("a", "Hello there", "1", "\u00e9", "<", "\u4f60\u597d", "(", "zz top")


@dataclass(frozen=True, slots=True)
class LabelIds:
    """ids: int64 [L], every spelling's token. violation: float64 [L], what each says of a violation, 0 to 1."""

    ids: npt.NDArray[np.int64]
    violation: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Question:
    """
    A rendered prompt around a content, with the forced answer.

    before, after: text on both sides of the content. prefix: int32 [P], the tokens that all contents share.
    specials: special tokens that belong to the prompt. digest: of all that is rendered, and of the labels.
    """

    before: str
    after: str
    labels: LabelIds
    prefix: Ids
    specials: int
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """
    One question about one content.

    ids: int32 [n], ending with the forced answer. shared: how many first tokens serve other rows too, 0 for none.
    kept: True when they are worth keeping for later batches. picture: with it nothing is shared.
    """

    ids: Ids
    labels: LabelIds
    shared: int
    kept: bool
    picture: Picture | None = None
    text: str = ""  # of the prompt, where a picture has yet to be put into it


class Prompts:
    """
    Fills one checkpoint's template, and turns contents into rows. Any thread.

    Args:
        tokenizer: of transformers, with the checkpoint's chat template.
        processor: what turns text and picture into a model's input, for families that read pictures.
        name: of the checkpoint, for errors.
    """

    def __init__(self, tokenizer: Any, family: Family, name: str, processor: Any = None) -> None:
        self.tokenizer, self.family, self.name, self.processor = tokenizer, family, name, processor
        added = getattr(tokenizer, "added_tokens_decoder", {})
        structural = [str(t) for t in added.values() if t.special or any(c in str(t) for c in "<>[]|")]
        specials = set(tokenizer.all_special_ids) | {i for i, t in added.items() if t.special}
        self._specials = np.array(sorted(specials - {tokenizer.unk_token_id}), np.int32)
        self.neutral = Neutral([*structural, *tokenizer.all_special_tokens], family.markers)

    def question(
        self,
        categories: Sequence[Category],
        *,
        forced: str | None = None,
        labels: Sequence[Label] | None = None,
        picture: bool = False,
    ) -> Question:
        """
        The prompt that asks whether a content violates any of `categories`; definitions are made neutral like contents.

        Raises:
            ConfigError: the template does not hold the content once, or not the policy; a label is not one token.
        """
        safe = [Category(self.neutral(c.name), self.neutral(c.definition)) for c in categories]
        before, after = self._rendered(safe, picture)
        after += self.family.forced if forced is None else forced
        labels = self.family.labels if labels is None else labels
        probes = self.encode([before + probe + after for probe in _PROBES])
        prefix = _common(probes)
        bare = self.encode([before + after])[0]
        tail = self.encode([before + _PROBES[0] + after])[0]
        found = self._label_ids(before + _PROBES[0] + after, tail, labels)
        digest = content_digest(before, after, *map(str, found.ids), *map(str, found.violation))
        return Question(before, after, found, prefix, self._count(bare), digest)

    def rows(self, asked: Sequence[tuple[Question, str]]) -> list[Row]:
        """
        A row for each question and (neutral) text.

        Raises:
            ModelFailed: a special token stands where the content is, in spite of `Neutral`.
        """
        encoded = self.encode([question.before + text + question.after for question, text in asked])
        rows = []
        for (question, _), ids in zip(asked, encoded, strict=True):
            if self._count(ids) != question.specials:
                raise ModelFailed(f"{self.name}: a content would put special tokens into the prompt")
            shared = len(question.prefix)
            fits = self.family.policy_first and shared < len(ids) and bool((ids[:shared] == question.prefix).all())
            rows.append(Row(ids, question.labels, shared if fits else 0, fits))
        return rows if self.family.policy_first else _share_contents(rows, asked)

    def picture_row(self, question: Question, text: str, picture: Picture) -> Row:
        """A row with a picture; `question` was rendered for one. The processor puts its tokens in when it is run."""
        whole = question.before + text + question.after
        ids = self.encode([whole])[0]
        if self._count(ids) != question.specials:
            raise ModelFailed(f"{self.name}: a content would put special tokens into the prompt")
        return Row(ids, question.labels, 0, False, picture, whole)

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Token ids of whole prompts: the template has written all special tokens already."""
        if not texts:
            return []
        found = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [np.asarray(ids, np.int32) for ids in found]

    def _count(self, ids: Ids) -> int:
        return int(np.isin(ids, self._specials).sum())

    def _rendered(self, categories: Sequence[Category], picture: bool) -> tuple[str, str]:
        messages, arguments = self.family.conversation(categories, _CONTENT)
        plain = [{**m, "content": _plain(m["content"])} for m in messages]
        parts = [{**m, "content": _parts(m["content"])} for m in messages]
        if picture:
            parts[-1]["content"] = [{"type": "image"}, *parts[-1]["content"]]
        shapes = [parts] if picture else [messages, parts, plain]
        arguments = {**arguments, "tokenize": False, "add_generation_prompt": True}
        problem = "no message"
        for shape in shapes:
            try:
                text = self.tokenizer.apply_chat_template(shape, **arguments)
            except Exception as error:  # noqa: BLE001  # a template raises what it likes, and another shape may do
                problem = type(error).__name__
                continue
            if str(text).count(_CONTENT) == 1:
                before, after = str(text).split(_CONTENT)
                self._check(before, after, categories)
                return before, after
            problem = f"it holds the content {str(text).count(_CONTENT)} times"
        raise ConfigError(
            f"the chat template of {self.name} is not one of family {self.family.name}: {problem}, "
            "check models.guard.path and models.guard.family"
        )

    def _check(self, before: str, after: str, categories: Sequence[Category]) -> None:
        """The policy must stand in the prompt, on the side where the family has it."""
        if not self.family.shows_policy:
            return
        side = before if self.family.policy_first else after
        for category in categories:
            for words in (category.name, category.definition):
                if words and words not in side:
                    raise ConfigError(
                        f"the chat template of {self.name} leaves the tenant's policy out: "
                        f"family {self.family.name} needs one that takes it, use the checkpoint's newer template"
                    )

    def _label_ids(self, text: str, ids: Ids, labels: Sequence[Label]) -> LabelIds:
        found: dict[int, float] = {}
        for label in labels:
            for number, spelling in enumerate(label.spellings):
                longer = self.encode([text + spelling])[0]
                single = len(longer) == len(ids) + 1 or (not label.whole and len(longer) > len(ids))
                if single and (longer[: len(ids)] == ids).all() and int(longer[len(ids)]) not in found:
                    found[int(longer[len(ids)])] = label.violation
                elif number == 0:
                    raise ConfigError(
                        f"{self.name} does not have the label {spelling.strip()!r} as a token of its own after its "
                        f"forced answer: it is not of family {self.family.name}, or its tokenizer is another one"
                    )
        return LabelIds(np.array(list(found), np.int64), np.array(list(found.values())))


def _common(rows: Sequence[Ids]) -> Ids:
    """The tokens that all rows begin with."""
    shortest = min(len(row) for row in rows)
    stacked = np.stack([row[:shortest] for row in rows])
    same = (stacked == stacked[0]).all(0)
    return stacked[0, : int(same.argmin()) if not same.all() else max(0, shortest - 1)].copy()


def _share_contents(rows: Sequence[Row], asked: Sequence[tuple[Question, str]]) -> list[Row]:
    """Content-first prompts: the rows about one content share all that stands before the first difference."""
    by_text: dict[str, list[int]] = {}
    for place, (_, text) in enumerate(asked):
        by_text.setdefault(text, []).append(place)
    shared = list(rows)
    for places in by_text.values():
        if len(places) > 1:
            common = len(_common([rows[place].ids for place in places]))
            for place in places:
                shared[place] = Row(rows[place].ids, rows[place].labels, common, False)
    return shared


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
