"""A call on the command line: recordings in chunks, what is known of it meanwhile, and its page."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
import soundfile

from worker.cli.call import in_turn
from worker.cli.call_log import CallLog
from worker.cli.call_page import page
from worker.cli.recording import Pace, Piece, event_of, pieces, pieces_of_file, pieces_of_stream, speakers
from worker.core.clock import FakeClock
from worker.core.errors import ConfigError
from worker.core.records import Position, Record
from worker.pipeline.calls import Heard
from worker.window.transcript import Word


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """A second and a half at 8 kHz: a ramp on the left, silence on the right."""
    path = tmp_path / "stereo.wav"
    ramp = np.arange(12_000, dtype=np.int16)
    soundfile.write(path, np.stack([ramp, np.zeros_like(ramp)], axis=1), 8_000, subtype="PCM_16")
    return path


def test_a_stereo_recording_is_two_speakers_in_chunks_that_lose_nothing(stereo: Path) -> None:
    """Each channel's chunks join to the channel, the last one of each says so."""
    found = list(pieces_of_file(stereo, 0.4))
    left = [piece for piece in found if piece.speaker == "left"]
    assert [piece.at_s for piece in left] == [0.0, 0.4, 0.8, 1.2]
    assert [piece.last for piece in left] == [False, False, False, True]
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in left]), np.arange(12_000))
    assert {piece.speaker for piece in found} == {"left", "right"}
    assert speakers(1) == ["speaker"]


def test_a_chunk_event_says_where_it_stands(stereo: Path) -> None:
    """In milliseconds of the call, with its samples as they were."""
    piece = [one for one in pieces_of_file(stereo, 0.4) if one.speaker == "left"][2]
    event = orjson.loads(event_of(piece, "acme", "call-1"))
    assert event["stream"] == {"id": "call-1", "seq": 2, "offset_ms": 800, "speaker": "left", "final": False}
    samples = np.frombuffer(base64.b64decode(event["parts"][0]["data"]), "<i2")
    np.testing.assert_array_equal(samples, piece.samples)


def test_raw_samples_become_chunks_until_they_end() -> None:
    """The piece that comes short is the last one, also when it holds nothing."""
    source = io.BytesIO(np.arange(2_000, dtype="<i2").tobytes())
    found = list(pieces_of_stream(source.read, 1_000, 2, 0.5))
    assert [(one.speaker, len(one.samples), one.last) for one in found] == [
        ("left", 500, False),
        ("right", 500, False),
        ("left", 500, False),
        ("right", 500, False),
        ("left", 0, True),
        ("right", 0, True),
    ]


def test_a_recording_keeps_its_own_pace(stereo: Path) -> None:
    """Each chunk is due when its last sample has been spoken, however long the ones before it took."""
    clock, due = FakeClock(), list[float]()
    pace = Pace(clock)
    for piece in pieces_of_file(stereo, 0.4):
        clock.advance(pace.wait_s(piece))
        due.append(round(clock.now(), 3))
        clock.advance(0.1)  # sending takes its time
    assert due == [0.4, 0.5, 0.8, 0.9, 1.2, 1.3, 1.5, 1.6]


def test_without_a_microphone_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback about a module."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match="nothing here to record with: pip install"):
        next(pieces("mic", 0.2))


def test_what_is_no_recording_is_said(tmp_path: Path) -> None:
    """By name, with what to give instead."""
    (tmp_path / "notes.wav").write_text("not sound")
    with pytest.raises(ConfigError, match="no sound that can be read"):
        list(pieces_of_file(tmp_path / "notes.wav", 0.2))
    with pytest.raises(ConfigError, match="no such file"):
        list(pieces_of_file(tmp_path / "none.wav", 0.2))


def known() -> CallLog:
    """Ten seconds of one speaker, flagged for the words of the third second."""
    book = CallLog()
    for place in range(10):
        book.sent(Piece("ann", np.full(8_000, 9_000, np.int16), 8_000, place, float(place), place == 9))
    words = (Word("so", 1.0, 1.4), Word("<b>you</b>", 2.1, 2.9), Word("later", 7.0, 7.5))
    book.heard(Heard(("acme", "call-1"), "ann", 0.0, 10.0, words))
    change = {"speaker": "ann", "category": "harassment", "before": "allow", "after": "flag"}
    book.decided(
        {
            "scores": {"harassment": 0.8, "hate": 0.01},
            "reasons": [{"action": "flag", "evidence": {"t": [2.0, 3.0]}}, {"action": "flag"}],
            "call": {
                "speaker": "ann",
                "state": "flag",
                "raised": {"harassment": "flag"},
                "windows": [{"t0": 0.0, "t1": 10.0, "passed": {"harassment": "flag"}}],
                "changed": [change | {"cause": "agreed", "t0": 0.0, "t1": 10.0}],
            },
        }
    )
    return book


def test_words_are_marked_where_a_reason_points() -> None:
    """Not all that was said in a window that passed."""
    one = known().of("ann")
    assert [one.action_at(word) for word in one.words] == ["allow", "flag", "allow"]
    assert one.state == "flag"
    assert len(one.levels) == 100
    assert max(one.levels) == pytest.approx(9_000 / 32_768)


@pytest.mark.parametrize("chunk_s", [0.02, 0.15, 0.4])
def test_the_waveform_stands_on_the_clock_of_the_call_whatever_the_chunks(tmp_path: Path, chunk_s: float) -> None:
    """A click in each second, seen in that second's tenth."""
    sound = np.zeros(3 * 8_000, np.int16)
    sound[[2_000, 10_000, 18_000]] = 16_384
    soundfile.write(tmp_path / "clicks.wav", sound, 8_000, subtype="PCM_16")
    book = CallLog()
    for piece in pieces_of_file(tmp_path / "clicks.wav", chunk_s):
        book.sent(piece)
    levels = book.of("speaker").levels
    assert len(levels) == 30
    assert {place: level for place, level in enumerate(levels) if level} == {2: 0.5, 12: 0.5, 22: 0.5}


def test_the_page_stands_by_itself() -> None:
    """One file: no script, nothing from an address, and what was said cannot become markup."""
    html = page(known(), "a <call>")
    assert not re.search(r"(?:src|href)=|url\(|https?://|<script|@import", html)
    assert "&lt;b&gt;you&lt;/b&gt;" in html
    assert "<b>you" not in html
    assert "a &lt;call&gt;" in html
    assert "harassment: allow → flag (agreed)" in html
    assert html.count("<svg") == 1
    assert "<polyline" in html


def test_decisions_are_shown_in_the_order_of_their_chunks() -> None:
    """Whatever topic they stand in: the last chunk says where the call stands."""
    sent = [("moderation.allow", 0), ("moderation.allow", 2), ("moderation.block", 1), ("moderation.block", 3)]
    records = [
        Record(Position(topic, 0, place), b"k", orjson.dumps({"source": {"offset": offset}}), (), 0)
        for place, (topic, offset) in enumerate(sent)
    ]
    assert [decision["source"]["offset"] for _, decision in in_turn(records)] == [0, 1, 2, 3]


def test_the_page_of_a_call_in_which_nobody_spoke_says_so() -> None:
    """A report is not an error."""
    assert "0 chunks decided" in page(CallLog(), "silence")
