"""One forward gives what `generate` would, with or without the prefix's keys and values, whatever the neighbours."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.score.models.guard.tiny import FAMILIES, POLICY, Tiny, generated, probability, rows_of
from worker.core.errors import ModelFailed
from worker.score.models.guard.forward import OneForward
from worker.score.models.guard.onednn import GatedMLP, PackedLinear, RMSNorm, pack
from worker.score.models.guard.prefixes import Prefixes
from worker.score.models.guard.prompts import Row

TEXTS = ["hi", "I will find you and hurt you. " * 12, "Thank you, see you tomorrow.", "你好, ça va?", "x" * 90]
CLOSE = 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_score_is_the_probability_that_generate_gives(family: str, guard_of: Callable[[str], Tiny]) -> None:
    """In fp32 to 1e-4, in one batch and with the prefix reused."""
    one = guard_of(family)
    rows = rows_of(one, TEXTS)
    expected = np.array([generated(one.model, row) for row in rows])
    scores = probability(OneForward(one.model, prefixes=Prefixes(1 << 30)).margins(rows))
    assert np.abs(scores - expected).max() < CLOSE
    assert np.ptp(expected) > 1e-3 or "granite" in family  # the contents do make a difference (Granite divides by 8)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_as_onednn_has_them_give_the_same(family: str, guard_of: Callable[[str], Tiny]) -> None:
    """To 1e-4 in fp32, for one row and for many."""
    one = guard_of(family)
    rows = rows_of(one, TEXTS)
    model = copy.deepcopy(one.model)
    pack(model)
    parts = {type(part) for name, part in model.named_modules() if ".layers." in name and "vision" not in name}
    assert {GatedMLP, RMSNorm} <= parts or family == "llama-guard-4"  # whose feed-forward is of its own kind
    assert PackedLinear in parts
    assert torch.nn.Linear not in parts
    expected = probability(OneForward(one.model).margins(rows))
    for some in (slice(0, 1), slice(None)):
        found = probability(OneForward(model, prefixes=Prefixes(1 << 30)).margins(rows[some]))
        assert np.abs(found - expected[some]).max() < CLOSE


@pytest.mark.parametrize("family", ["granite-guardian", "granite-guardian-4", "shieldgemma"])
def test_questions_about_one_content_share_it(family: str, guard_of: Callable[[str], Tiny]) -> None:
    """Where the content comes first its keys and values serve every question, with equal scores."""
    one = guard_of(family)
    questions = [one.prompts.question(POLICY[:1]), one.prompts.question(POLICY[1:])]
    rows = one.prompts.rows([(question, TEXTS[1]) for question in questions])
    assert all(row.shared > 20 and not row.kept for row in rows)
    shared = OneForward(one.model, prefixes=Prefixes(1 << 30)).margins(rows)
    assert np.abs(probability(shared) - [generated(one.model, row) for row in rows]).max() < CLOSE


def left_padded(model: torch.nn.Module, rows: list[Row]) -> list[float]:
    """Scores as transformers gives them for a batch padded on the left with a mask."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, longest - len(row.ids) :] = torch.from_numpy(row.ids)
        mask[place, longest - len(row.ids) :] = 1
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).logits[:, -1]
    found = []
    for place, row in enumerate(rows):
        shares = logits[place, torch.from_numpy(row.labels.ids)].double().softmax(-1).numpy()
        found.append(float((shares * row.labels.violation).sum()))
    return found


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=120), min_size=1, max_size=4),
    batch=st.integers(1, 5),
    tokens=st.sampled_from([64, 300, 16_384]),
)
@pytest.mark.parametrize("family", ["nemotron", "qwen3guard"])
def test_neighbours_batches_padding_and_reuse_change_nothing(
    family: str, guard_of: Callable[[str], Tiny], texts: list[str], batch: int, tokens: int
) -> None:
    """Alone without reuse, batched with it, and padded on the other side: equal to 1e-4 in fp32."""
    one = guard_of(family)
    rows = rows_of(one, texts)
    alone = probability(np.concatenate([OneForward(one.model).margins([row]) for row in rows]))
    together = OneForward(one.model, batch_rows=batch, batch_tokens=tokens, prefixes=Prefixes(1 << 30))
    assert np.abs(probability(together.margins(rows)) - alone).max() < CLOSE
    assert np.abs(probability(together.margins(rows[::-1])) - alone[::-1]).max() < CLOSE  # now from the kept prefix
    assert np.abs(np.array(left_padded(one.model, rows)) - alone).max() < CLOSE


def test_the_windows_of_gemma_are_shorter_than_the_prefix(nemotron: Tiny) -> None:
    """So the equality above is one of sliding layers whose window the prefix has left, and of full ones."""
    text = nemotron.model.config.get_text_config()
    assert len(nemotron.question.prefix) > 2 * text.sliding_window
    assert set(text.layer_types) == {"sliding_attention", "full_attention"}


def test_the_prefix_is_computed_once(nemotron: Tiny) -> None:
    """Two batches of one policy read it once; a changed definition is another prefix."""
    prefixes = Prefixes(1 << 30)
    forward = OneForward(nemotron.model, prefixes=prefixes)
    first = forward.margins(rows_of(nemotron, TEXTS))
    again = forward.margins(rows_of(nemotron, TEXTS))
    assert (prefixes.misses, prefixes.hits, len(prefixes)) == (1, 1, 1)
    assert (first == again).all()
    changed = nemotron.prompts.question((POLICY[0]._replace(definition="Something else."), POLICY[1]))
    forward.margins(nemotron.prompts.rows([(changed, "hi")]))
    assert prefixes.misses == 2


class Narrow(torch.nn.Module):
    """A model whose memory ends at so many padded tokens, as CUDA's would (the error is torch's own)."""

    def __init__(self, model: torch.nn.Module, tokens: int) -> None:
        super().__init__()
        self.inner, self.tokens, self.calls, self.config = model, tokens, list[int](), model.config
        self.model = self

    def forward(self, input_ids: torch.Tensor, **others: object) -> object:
        self.calls.append(input_ids.numel())
        if input_ids.numel() > self.tokens:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return self.inner.model(input_ids=input_ids, **others)  # type: ignore[operator]

    def get_output_embeddings(self) -> object:
        return self.inner.get_output_embeddings()  # type: ignore[operator]

    def get_decoder(self) -> object:
        return self.inner.get_decoder()  # type: ignore[operator]


def test_out_of_memory_halves_the_batch_and_remembers(nemotron: Tiny) -> None:
    """The scores are those of enough memory, and the next batch does not try again what failed."""
    rows = rows_of(nemotron, TEXTS * 3)
    expected = OneForward(nemotron.model).margins(rows)
    narrow = Narrow(nemotron.model, 700)
    forward = OneForward(narrow)
    assert np.abs(forward.margins(rows) - expected).max() < CLOSE
    failed = sum(tokens > narrow.tokens for tokens in narrow.calls)
    assert failed
    assert forward.ceiling <= 2 * narrow.tokens
    narrow.calls.clear()
    forward.margins(rows)
    forward.margins(rows)
    assert sum(tokens > narrow.tokens for tokens in narrow.calls) < failed


def test_packed_rows_cost_no_padding(nemotron: Tiny) -> None:
    """The model reads the prefix once and each row's own tokens, however unlike their lengths are."""
    rows = rows_of(nemotron, TEXTS)
    counted = Narrow(nemotron.model, 1 << 20)
    OneForward(counted, prefixes=Prefixes(1 << 30)).margins(rows)
    known = rows[0].shared
    assert len({len(row.ids) for row in rows}) > 2
    own = sum(len(row.ids) - known for row in rows)
    assert counted.calls[0] == known
    assert own <= counted.calls[1] < own + 64  # filled up to a size that products are prepared for


def test_a_failed_forward_leaves_the_model_as_it_was(nemotron: Tiny) -> None:
    """Packed attention ends with its batch, also where that raised: what runs next is the plain model."""
    rows = rows_of(nemotron, TEXTS[:2])
    before = left_padded(nemotron.model, rows)
    with pytest.raises(ModelFailed):
        OneForward(Narrow(nemotron.model, 10)).margins(rows)
    assert left_padded(nemotron.model, rows) == before


def test_no_memory_for_one_row_is_a_failed_model(nemotron: Tiny) -> None:
    """Never a score."""
    with pytest.raises(ModelFailed, match="out of memory"):
        OneForward(Narrow(nemotron.model, 10)).margins(rows_of(nemotron, ["hi"]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_a_failed_model(nemotron: Tiny, value: float) -> None:
    """A NaN in one weight reaches every label: nothing of it may become a score."""
    model = nemotron.checkpoint.model("cpu")
    with torch.no_grad():
        model.model.language_model.norm.weight[0] = value
    with pytest.raises(ModelFailed, match="no finite logit"):
        OneForward(model).margins(rows_of(nemotron, ["hi"]))


@pytest.mark.parametrize(("dtype", "near"), [("bfloat16", 0.12), ("float16", 0.02), ("int8", 0.12)])
def test_smaller_dtypes_stay_near(nemotron: Tiny, dtype: str, near: float) -> None:
    """Reuse too, though not to 1e-4: halves are rounded in every layer."""
    model = nemotron.checkpoint.model("cpu", dtype)  # type: ignore[arg-type]
    rows = rows_of(nemotron, TEXTS)
    exact = probability(OneForward(nemotron.model).margins(rows))
    for forward in (OneForward(model), OneForward(model, prefixes=Prefixes(1 << 30))):
        assert np.abs(probability(forward.margins(rows)) - exact).max() < near
