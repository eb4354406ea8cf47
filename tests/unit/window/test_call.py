"""Windows of a call: the same ones whatever the chunks, whatever the order, whatever comes twice or never."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.core.streams import CallRules
from worker.window.call import Hop, Speaker
from worker.window.resample import RATE, resample
from worker.window.track import Chunk, Pcm, Place, Track

RULES = CallRules(window_s=3.0, hop_s=1.0, lateness_s=0.5)


def speech(seconds: float, rate: int = RATE, seed: int = 7) -> Pcm:
    """Noise that swells and fades as speech does, int16."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * time * 1.7)
    return (random.normal(0, 3_000, len(time)) * loud).astype(np.int16)


def chunks(sound: Pcm, lengths: Sequence[int], rate: int = RATE, *, first_ms: int = 0) -> list[Chunk]:
    """The sound in pieces of these lengths in samples, over and over; stamped as a sender would, in whole ms."""
    found, at, turn = list[Chunk](), 0, 0
    while at < len(sound):
        length = lengths[turn % len(lengths)]
        piece = sound[at : at + length]
        found.append(Chunk(f"e{turn}", piece, rate, first_ms + at * 1000 // rate, turn, turn))
        at, turn = at + length, turn + 1
    return found


def windows(sent: Sequence[Chunk], rules: CallRules = RULES) -> list[Hop]:
    speaker, hops = Speaker(rules), list[Hop]()
    for place, chunk in enumerate(sent):
        hops += speaker.take(chunk, final=place == len(sent) - 1)[1]
    return hops


def about(hop: Hop) -> tuple[object, ...]:
    """All but the sound."""
    return (hop.number, hop.start, hop.end, hop.heard_from, hop.came, hop.missing, hop.last)


def same(one: Sequence[Hop], other: Sequence[Hop]) -> None:
    assert [about(hop) for hop in one] == [about(hop) for hop in other]
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine.samples, theirs.samples)


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(320, 30_000), min_size=1, max_size=6),
    rate=st.sampled_from([8_000, 16_000, 24_000, 44_100, 48_000]),
)
@example(lengths=[593, 820, 593, 593, 398], rate=48_000)  # the last chunk is shorter than the rounding of its stamp
def test_any_chunking_of_the_same_sound_gives_the_same_windows(lengths: list[int], rate: int) -> None:
    """Sample by sample, at any rate: nothing in a window knows where a chunk ended."""
    sound = speech(4.3, rate)
    same(windows(chunks(sound, lengths, rate)), windows(chunks(sound, [len(sound)], rate)))


@settings(deadline=None, max_examples=50)
@given(order=st.data(), length=st.sampled_from([320, 1_600, 3_200]))
def test_any_order_of_arrival_within_the_lateness_gives_the_same_windows(order: st.DataObject, length: int) -> None:
    """A chunk may come after others, as long as no sound that came is half a second newer."""
    sent = chunks(speech(3.4), [length])
    reach = int(0.5 * RATE) // length - 1
    late = order.draw(st.lists(st.integers(0, reach), min_size=len(sent), max_size=len(sent)))
    late[-1] = len(sent)  # `final` ends the waiting, so it comes last
    shuffled = sorted(range(len(sent)), key=lambda place: (place + late[place], place))
    same(windows([sent[place] for place in shuffled]), windows(sent))


@settings(deadline=None, max_examples=50)
@given(again=st.lists(st.tuples(st.integers(0, 33), st.integers(0, 8)), max_size=12))
def test_repeats_change_nothing(again: list[tuple[int, int]]) -> None:
    """Whether a chunk comes again at once or after others."""
    sent = chunks(speech(3.4), [1_600])
    with_repeats = list(sent)
    for place, later in sorted(again, reverse=True):
        with_repeats.insert(min(place + later, len(sent) - 2) + 1, sent[place])
    with_repeats.append(with_repeats.pop(with_repeats.index(sent[-1])))
    same(windows(with_repeats), windows(sent))


def test_windows_close_on_a_grid_and_each_sound_is_heard_once_with_a_little_before_it() -> None:
    """15 s windows each 5 s by default; what goes to the recogniser begins in a pause before the hop."""
    hops = windows(chunks(speech(12.0), [3_200]), CallRules())
    assert [(hop.start, hop.end, hop.last) for hop in hops] == [
        (0, 5 * RATE, False),
        (0, 10 * RATE, False),
        (0, 12 * RATE, True),
    ]
    assert all(hop.end - hop.heard_from == len(hop.samples) for hop in hops)
    for before, hop in pairwise(hops):
        assert before.end - 3 * RATE <= hop.heard_from <= before.end


def test_the_next_reading_begins_in_the_pause() -> None:
    """Not in the middle of a word when there is a pause near."""
    sound = speech(10.0)
    sound[int(3.9 * RATE) : int(4.2 * RATE)] = 0
    _, second = windows(chunks(sound, [1_600]), CallRules())
    assert 3.9 * RATE < second.heard_from < 4.2 * RATE


def test_a_missing_chunk_is_a_gap_and_the_window_goes_on() -> None:
    """It is waited for as long as the lateness says, then its place is silence and counted."""
    sent = chunks(speech(4.0), [3_200])
    del sent[7]
    speaker, closed = Speaker(RULES), list[tuple[int, Hop]]()
    for chunk in sent:
        closed += [(chunk.offset, hop) for hop in speaker.take(chunk)[1]]
    assert [hop.missing for _, hop in closed] == [0, 3_200, 3_200, 3_200]
    assert closed[1][1].samples[-int(0.6 * RATE) : -int(0.4 * RATE)].any() == 0
    assert closed[1][0] == 9  # the chunk that closes the hop is newer than the gap by the lateness


def test_the_last_window_counts_what_came_in_it_and_nothing_before_it() -> None:
    """It opens within a hop: of that hop only what stands in the window is heard, and missing."""
    sent = chunks(speech(4.4), [3_200])
    del sent[5], sent[12]  # 1.0 to 1.2 s, before the last window opens at 1.4 s, and 2.6 to 2.8 s
    last = windows(sent)[-1]
    assert (last.start, last.end) == (int(1.4 * RATE), int(4.4 * RATE))
    assert (last.came, last.missing) == (3 * RATE - 3_200, 3_200)


def test_one_lost_chunk_of_20_ms_is_a_gap_too() -> None:
    """What counts as a clock's jitter is less than any chunk is long."""
    sent = chunks(speech(1.0), [320])
    del sent[10]
    assert windows(sent)[0].missing == 320


def test_stamps_that_wander_a_little_are_no_gaps() -> None:
    """Senders stamp when they send: a few milliseconds to either side."""
    random = np.random.default_rng(3)
    sent = chunks(speech(3.0), [1_600])
    wandering = [c._replace(at_ms=max((c.at_ms or 0) + int(random.integers(-9, 10)), 0)) for c in sent]
    assert {hop.missing for hop in windows(wandering)} == {0}


def test_chunks_without_a_stamp_stand_in_the_order_of_their_numbers() -> None:
    """And without a number in the order in which they come."""
    sent = chunks(speech(3.0), [1_600])
    numbered = [c._replace(at_ms=None) for c in sent]
    numbered[3], numbered[5] = numbered[5], numbered[3]
    bare = [c._replace(at_ms=None, seq=None) for c in sent]
    same(windows(numbered), windows(sent))
    same(windows(bare), windows(sent))


def test_a_chunk_that_belongs_nowhere_near_is_put_apart() -> None:
    """Far too late or an hour ahead: it is judged by itself, and moves nothing."""
    sent = chunks(speech(4.0), [3_200])
    speaker = Speaker(RULES)
    for chunk in sent[:12]:
        speaker.take(chunk)
    stray = Chunk("late", speech(0.2, seed=9), RATE, 400, 99)
    ahead = Chunk("ahead", speech(0.2, seed=10), RATE, 3_600_000, 100)
    assert [speaker.take(one)[0] for one in (stray, ahead)] == [Place.APART, Place.APART]
    assert [hop.end for chunk in sent[12:] for hop in speaker.take(chunk)[1]] == [3 * RATE, 4 * RATE]


@pytest.mark.parametrize(("set_to_ms", "goes_on_at"), [(0, 2.6), (7_200_000, 7_200.0)])
def test_a_clock_that_jumps_is_followed_from_its_second_chunk_on(set_to_ms: int, goes_on_at: float) -> None:
    """Ahead to its own time, back behind what was heard; the open window closes with what it has."""
    speaker = Speaker(RULES)
    for chunk in chunks(speech(2.6), [3_200]):
        speaker.take(chunk)
    places, hops = [], list[Hop]()
    for chunk in chunks(speech(2.0, seed=9), [3_200], first_ms=set_to_ms):
        place, closed = speaker.take(chunk._replace(event=f"again{chunk.event}", seq=None))
        places.append(place)
        hops += closed
    assert places == [Place.APART] + [Place.TAKEN] * 9
    assert hops[0].end == int(2.6 * RATE)
    assert hops[1].end > goes_on_at * RATE
    assert [hop.number for hop in hops] == sorted({hop.number for hop in hops})


def test_a_stream_that_never_began_at_its_beginning_is_taken_from_where_it_is() -> None:
    """A worker that joins in the middle; no gap from 0 is counted."""
    hops = windows(chunks(speech(3.0), [1_600], first_ms=90_500))
    assert next((hop.start, hop.end, hop.missing) for hop in hops) == (int(90.5 * RATE), 91 * RATE, 0)


def test_final_twice_ends_once() -> None:
    """The second time there is nothing left to close; sound after it begins a window of its own."""
    sent = chunks(speech(1.5), [8_000])
    speaker = Speaker(RULES)
    first = [hop for chunk in sent for hop in speaker.take(chunk, final=chunk is sent[-1])[1]]
    assert [hop.last for hop in first] == [False, True]
    assert speaker.take(sent[-1], final=True) == (Place.REPEAT, [])
    after = [hop for chunk in chunks(speech(2.0), [8_000], first_ms=1_500) for hop in speaker.take(chunk)[1]]
    assert [hop.number for hop in after] == [2]


def test_a_jump_of_a_thousand_years_costs_nothing() -> None:
    """Hops of which nothing came are passed over, not closed one by one."""
    speaker = Speaker(RULES)
    speaker.take(chunks(speech(1.0), [8_000])[0])
    hops = [h for c in chunks(speech(3.0), [8_000], first_ms=2**52) for h in speaker.take(c)[1]]
    assert 1 < len(hops) < 6


@settings(deadline=None, max_examples=50)
@given(cut=st.integers(1, 15_999), rate=st.sampled_from([8_000, 24_000, 44_100, 48_000]))
def test_sound_cut_out_of_a_track_is_what_resampling_the_whole_gives(cut: int, rate: int) -> None:
    """Piece by piece there is no seam but where a piece ends before its neighbour was there."""
    sound = speech(1.0, rate)
    track = Track(0)
    for chunk in chunks(sound, [997], rate):
        track.take(chunk)
    whole = resample(sound.astype(np.float32) / np.float32(32_768), rate)
    head = track.head or 0
    first, second = track.sound(0, cut)[0], track.sound(cut, head)[0]
    reach = 40  # 16 kHz samples within the filter of the end of the first piece
    np.testing.assert_allclose(first[:-reach], whole[: max(cut - reach, 0)], atol=1e-6)
    np.testing.assert_allclose(second, whole[cut:head], atol=1e-6)
