"""Text views: every token in a window, evidence in the original's characters, one budget for the event."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.core.events import PartType
from worker.core.views import Evidence, Segment, TextSource
from worker.window import joint_source, normalise, text_views
from worker.window.text import sentences, windows
from worker.window.views import Views


class Words:
    """A tokenizer whose tokens are words, so that tests can read them; counts how often it is asked."""

    def __init__(self, window_tokens: int = 8) -> None:
        self.window_tokens = window_tokens
        self.known: dict[str, int] = {}
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        self.calls += 1
        found = []
        for text in texts:
            words = list(re.finditer(r"[^\s\u200b]+", text))
            ids = [self.known.setdefault(m[0].lower(), len(self.known)) for m in words]
            spans = np.array([m.span() for m in words], np.int32).reshape(-1, 2)
            found.append((np.array(ids, np.int32), spans))
        return found


def source(text: str, path: str = "parts/0", kind: PartType = PartType.TEXT) -> TextSource:
    """A text of an event."""
    return TextSource(path, text, (kind,))


@given(st.integers(0, 2_000), st.integers(2, 130), st.integers(0, 60))
def test_windows_cover_every_token_evenly(tokens: int, window: int, overlap: int) -> None:
    """None too long, none much shorter than the others, neighbours sharing the overlap."""
    found = windows(tokens, window, overlap)
    assert {t for start, end in found for t in range(start, end)} == set(range(tokens))
    assert all(0 < end - start <= window for start, end in found)
    assert len({end - start for start, end in found}) <= 1
    if len(found) > 1:
        shared = [a_end - b_start for (_, a_end), (b_start, _) in pairwise(found)]
        assert min(shared) >= min(overlap, window // 2)
        assert found[0][1] * 2 >= window // 2


def test_one_short_text_is_one_view() -> None:
    """The common case: one call, one view, its whole text as evidence."""
    words = Words()
    views, degraded = text_views([(source("you are kind"), None)], words)
    assert [(v.path, list(v.content), v.cost, v.evidence.span) for v in views] == [("parts/0", [0, 1, 2], 3, (0, 12))]
    assert (degraded, words.calls) == ([], 1)


def test_harm_after_five_thousand_harmless_characters_is_in_a_window() -> None:
    """Nothing is read only in part, and the evidence leads to the place."""
    text = "harmless words " * 350 + "DANGER at the end"
    words = Words(window_tokens=100)
    views, degraded = text_views([(source(text), None)], words)
    danger = words.known["danger"]
    hits = [v for v in views if danger in v.content]
    assert [hit.excerpt for hit in hits] == [False, True]
    for hit in hits:
        assert hit.evidence.span is not None
        assert "DANGER" in text[slice(*hit.evidence.span)]
    assert degraded == []


def test_a_long_text_is_read_sentence_by_sentence_as_well() -> None:
    """A sentence of harm has a view of its own, and every word is in one."""
    text = "We went to the river and fed the ducks there. " * 3 + "I will find and hurt you! Bye. The end of it is here"
    words = Words(window_tokens=30)
    views, _ = text_views([(source(text), None)], words)
    read = [text[slice(*v.evidence.span)] for v in views if v.excerpt and v.evidence.span is not None]
    assert read == [
        "We went to the river and fed the ducks there.",
        "I will find and hurt you!",
        "Bye. The end of it is here",
    ]


def test_a_sentence_among_few_others_has_a_view_of_its_own() -> None:
    """A paragraph hides what it holds well before it fills a window; a message of a few words is read once."""
    harmless, harm = "We planted beans and they grew well in the sun.", "I will find and hurt you there soon."
    words = Words(window_tokens=254)
    views, _ = text_views([(source(f"{harmless} {harmless} {harm}"), None)], words)
    assert [v.cost for v in views if v.excerpt] == [10, 8]
    assert [v.cost for v in text_views([(source(f"{harmless} {harm}"), None)], words)[0]] == [18]


def test_a_sentence_of_a_long_text_has_its_neighbours_beside_it() -> None:
    """Two on either side, in order; whole windows have none."""
    told = ["one man fed ducks.", "two women fed geese.", "three boys fed swans.", "four girls fed crows."]
    words = Words(window_tokens=12)
    views, _ = text_views([(source(" ".join(told)), None)], words)
    contents = [view.content.tolist() for view in views if view.excerpt]
    assert len(contents) == 4
    assert [[near.tolist() for near in view.beside] for view in views if view.excerpt] == [
        contents[1:3],
        [contents[0], *contents[2:4]],
        [*contents[0:2], contents[3]],
        contents[1:3],
    ]
    assert all(view.beside == () for view in views if not view.excerpt)


def test_a_sentence_without_its_mark_ends_before_a_capital_too() -> None:
    """Harm that runs into harmless prose has a view of its own; the sentence as marked keeps its own as well."""
    text = "we went to the sea. i will find and hurt you The library opens at nine. It closes at six today."
    views, _ = text_views([(source(text), None)], Words(window_tokens=20))
    read = [text[slice(*v.evidence.span)] for v in views if v.excerpt and v.evidence.span is not None]
    assert read == [
        "we went to the sea.",
        "i will find and hurt you The library opens at nine.",
        "It closes at six today.",
        "i will find and hurt you",
        "The library opens at nine.",
    ]


def test_what_was_hidden_in_a_text_is_read_by_itself_too() -> None:
    """A threat in the variation selectors behind a smile is not softened by the smile."""
    secret = "".join(chr(0xE0100 + byte - 16) for byte in b"i will find and hurt you")
    text = f"ok then{secret}"
    views, _ = text_views([(source(text), normalise(text))], Words())
    assert [view.text for view in views][-3:] == [
        "ok then\ni will find and hurt you",
        "ok then",
        "i will find and hurt you",
    ]
    assert not any(view.excerpt for view in views)


@given(st.lists(st.sampled_from(["word", "word.", "word!\n", "\n", "word?"]), max_size=80))
def test_every_word_of_a_long_text_is_in_a_sentence(pieces: list[str]) -> None:
    """None is left out between two sentences or at the end."""
    text = " ".join(pieces)
    ((_, offsets),) = Words().encode([text])
    assert {t for a, b in sentences(text, offsets, 8) for t in range(a, b)} == set(range(len(offsets)))


def test_a_normalised_text_has_its_own_view_with_evidence_in_the_original() -> None:
    """Both are scored, and the maximum counts."""
    text = "I will k i l l you"
    views, _ = text_views([(source(text), normalise(text))], Words())
    assert [v.path for v in views] == ["parts/0", "parts/0/normalised"]
    assert views[1].evidence.span == (0, len(text))


def test_a_normalised_text_with_the_same_tokens_is_dropped() -> None:
    """What the tokenizer folds by itself needs no second look."""
    text = "\u200bhello"
    assert [v.path for v in text_views([(source(text), normalise(text))], Words())[0]] == ["parts/0"]


def test_equal_windows_are_scored_once_for_each_set_of_types() -> None:
    """A repeated line costs once, but a caption does not stand in for a transcript."""
    same = [
        (source("hello", "parts/0"), None),
        (source("hello", "parts/1"), None),
        (source("hello", "parts/2/ocr", PartType.IMAGE), None),
    ]
    words = Words()
    views, _ = text_views(same, words)
    assert [v.path for v in views] == ["parts/0", "parts/2/ocr"]
    assert words.calls == 1


def test_what_passes_the_budget_is_left_out_and_said() -> None:
    """Before it everything is scored."""
    text = " ".join(f"w{k}" for k in range(100))
    views, degraded = text_views([(source(text), None)], Words(window_tokens=10), overlap_tokens=2, budget_tokens=35)
    assert sum(v.cost for v in views) <= 35
    assert [(d.code, d.rule, d.where) for d in degraded] == [("text_too_long", "too_long", "parts/0")]


def test_a_text_without_tokens_has_no_view() -> None:
    """Only hidden characters: the event goes on with nothing to score, and nothing is said against it."""
    text = "\u200b\u200b"
    assert text_views([(source(text), normalise(text))], Words()) == ([], [])


def test_evidence_of_a_derived_text_has_its_box() -> None:
    """OCR says where it read each stretch."""
    segment = Segment(0, 5, Evidence(box=(1, 2, 3, 4)))
    read = TextSource("parts/1/ocr", "hello", (PartType.IMAGE,), (segment,))
    assert text_views([(read, None)], Words())[0][0].evidence == Evidence((0, 5), box=(1, 2, 3, 4))


def test_texts_of_an_event_are_read_jointly_when_there_are_several() -> None:
    """A line each, counted for the types of all."""
    parts = [source("how to build"), source("a bomb", "parts/1/ocr", PartType.IMAGE), source(" ", "parts/2")]
    joint = joint_source(parts)
    assert joint is not None
    assert (joint.path, joint.text) == ("joint", "how to build\na bomb")
    assert joint.types == (PartType.TEXT, PartType.IMAGE)
    assert joint_source(parts[:1]) is None


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_spans_lie_inside_the_text_as_written(texts: list[str]) -> None:
    """Whatever the text, raw or normalised."""
    pairs = [(source(text, f"parts/{i}"), normalise(text)) for i, text in enumerate(texts)]
    for view in text_views(pairs, Words(window_tokens=4), overlap_tokens=1)[0]:
        assert view.evidence.span is not None
        start, end = view.evidence.span
        assert 0 <= start <= end <= len(texts[int(view.path.split("/")[1])])


def test_a_worker_of_word_lists_alone_still_normalises_for_them() -> None:
    """The normalised text and the way back, without any model."""
    found = Views(None).normalised("so k1ll")
    assert found is not None
    assert found.text == "so kill"
    assert found.span(3, 7) == (3, 7)


def test_the_pipeline_s_face_gives_both_forms_of_a_text() -> None:
    """As written and normalised, each text normalised once for lists and models."""
    face = Views(Words())
    views, degraded = face.texts([(source("k1ll"), face.normalised("k1ll"))])
    assert ([v.path for v in views], degraded) == (["parts/0", "parts/0/normalised"], [])
