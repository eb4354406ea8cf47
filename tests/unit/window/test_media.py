"""Frames and clips as views: one a frame; long clips cut evenly, at quiet places, with every sample in a view."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.core.events import AudioPart, ImagePart
from worker.window import audio_views, image_views

RATE = 16_000


def noise(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Loud noise, float32 [T]."""
    return np.random.default_rng(7).uniform(-0.5, 0.5, int(seconds * RATE)).astype(np.float32)


def test_a_picture_is_one_view_and_an_animation_one_a_frame() -> None:
    """Cost is pixels, and the scale goes with the view."""
    (view,) = image_views(ImagePart("parts/1", np.zeros((1, 4, 6, 3), np.uint8), 2.5))
    assert (view.path, view.cost, view.scale, view.evidence.frame) == ("parts/1", 24, 2.5, None)
    views = image_views(ImagePart("parts/1", np.zeros((3, 4, 6, 3), np.uint8)))
    assert [(v.path, v.evidence.frame) for v in views] == [(f"parts/1/frame/{k}", k) for k in range(3)]


def test_a_clip_up_to_thirty_seconds_is_one_view() -> None:
    """Uncut, with its whole length as evidence."""
    (view,) = audio_views(AudioPart("parts/0", noise(30)))
    assert (view.cost, view.evidence.t) == (30 * RATE, (0.0, 30.0))


def test_a_long_clip_is_cut_where_it_is_quiet() -> None:
    """No word is cut and nothing is heard twice."""
    samples = noise(50)
    samples[int(23.0 * RATE) : int(23.4 * RATE)] = 0
    first, second = audio_views(AudioPart("parts/0", samples))
    assert first.evidence.t is not None
    assert second.evidence.t is not None
    assert 23.0 < first.evidence.t[1] < 23.4
    assert second.evidence.t[0] == first.evidence.t[1]


def test_a_clip_without_a_quiet_place_is_cut_with_an_overlap() -> None:
    """A word on the seam is heard whole in one of the two."""
    first, second = audio_views(AudioPart("parts/0", noise(50)))
    assert first.evidence.t is not None
    assert second.evidence.t is not None
    assert first.evidence.t[1] - second.evidence.t[0] == 0.5


@settings(max_examples=40)
@given(st.integers(0, 130 * RATE), st.booleans())
def test_every_sample_is_in_a_view_and_no_view_is_too_long_or_tiny(length: int, silent: bool) -> None:
    """Whatever the length, loud or silent."""
    samples = np.zeros(length, np.float32) if silent else noise(length / RATE + 1)[:length]
    reach = 0
    views = audio_views(AudioPart("parts/0", samples))
    for view in views:
        assert view.evidence.t is not None
        start, end = (round(t * RATE) for t in view.evidence.t)
        assert start <= reach < end
        assert len(view.content) == view.cost == end - start <= 30 * RATE
        assert len(views) == 1 or view.cost >= 5 * RATE
        reach = end
    assert reach == length
