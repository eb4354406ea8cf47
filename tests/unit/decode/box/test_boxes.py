"""Codecs in processes of their own: the same answers, and one part lost when one crashes, hangs or talks nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ops.fuzz.seeds import seeds
from tests.unit.decode.records import ALLOWED, media, record
from worker.core.errors import OverLimit, PartUnreadable
from worker.core.events import Degradation
from worker.decode.box.boxes import Boxes, DecodingSettings
from worker.decode.decoder import EventDecoder
from worker.decode.media import InProcess, Media

FAULTY = "tests.unit.decode.box.faulty"


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    """As a worker has them."""
    made = Boxes(DecodingSettings())
    yield made
    made.close()


@pytest.fixture(scope="module")
def faulty() -> Iterator[Boxes]:
    """With a codec that obeys the bytes, and little patience."""
    made = Boxes(DecodingSettings(part_s=4.0, memory_mb=1_024), module=FAULTY)
    yield made
    made.close()


def seen(boxes: Media, data: bytes) -> tuple[int, ...]:
    return boxes.image(data, "parts/0", max_pixels=1_000_000, max_side=64)[0].frames.shape


def refused(boxes: Media, data: bytes) -> PartUnreadable:
    with pytest.raises(PartUnreadable) as caught:
        seen(boxes, data)
    return caught.value


def looked(media: Media, data: bytes) -> Any:
    """What comes of a picture's file: all of it, or the refusal."""
    try:
        part, problem = media.image(data, "parts/1", max_pixels=1_000_000, max_side=5)
    except PartUnreadable as error:
        return type(error), error.code, error.reason
    return part.frames.tolist(), part.path, part.scale, problem


def heard(media: Media, data: bytes) -> Any:
    """The same of a clip's file."""
    try:
        clip = media.clip(data, max_seconds=0.02)
    except PartUnreadable as error:
        return type(error), error.code, error.reason
    return clip.mono.tolist(), *clip[1:]


def test_pictures_come_out_as_they_do_here(boxes: Boxes) -> None:
    """Frames, scale, and every refusal, of all formats, whole and cut."""
    for data in seeds("image"):
        for some in (data, data[: len(data) // 2], data[:30]):
            assert looked(boxes, some) == looked(InProcess(), some)


def test_clips_come_out_as_they_do_here(boxes: Boxes) -> None:
    """Samples, rate, whether there is more and whether the end is damaged."""
    for data in seeds("audio"):
        for some in (data, data[: len(data) * 3 // 4], data[:9]):
            assert heard(boxes, some) == heard(InProcess(), some)


def test_over_a_limit_is_said_as_such(boxes: Boxes) -> None:
    """`too_long` decides, not `failed`."""
    with pytest.raises(OverLimit):
        boxes.image(seeds("image")[0], "parts/0", max_pixels=10, max_side=64)


def test_a_crash_takes_one_part_and_nothing_else(faulty: Boxes) -> None:
    """A real segmentation fault, twice; the parts of the same event before and after it are judged."""
    error = refused(faulty, b"crash")
    assert (error.code, "exit status -11" in error.reason) == ("decoder_died", True)
    assert seen(faulty, b"fine") == (1, 2, 2, 3)


def test_an_event_with_a_part_that_crashes_is_decided(faulty: Boxes) -> None:
    """Degraded in one place, as for any part that cannot be read."""
    decoder = EventDecoder(media=faulty)
    sent = media("image", b"fine")
    sent["parts"] = [*media("image", b"crash")["parts"], *sent["parts"], {"type": "text", "text": "hello"}]
    event = decoder.event(decoder.envelope(record(orjson.dumps(sent))), ALLOWED, received=0.0)
    assert [part.path for part in event.parts] == ["parts/1", "parts/2"]
    (problem,) = event.degraded
    assert isinstance(problem, Degradation)
    assert (problem.code, problem.rule, problem.where) == ("decoder_died", "failed", "parts/0")


def test_a_part_is_not_blamed_for_the_one_before(faulty: Boxes, tmp_path: Path) -> None:
    """A process may die of what an earlier part broke: a second one answers."""
    (tmp_path / "lit.unlit").write_bytes(b"")
    assert seen(faulty, b"crash-once %s" % bytes(tmp_path / "lit")) == (1, 2, 2, 3)


def test_a_hang_is_ended(faulty: Boxes) -> None:
    """And the next part has a process again."""
    hasty = Boxes(DecodingSettings(part_s=0.4), module=FAULTY)
    assert refused(hasty, b"hang").code == "decoder_slow"
    hasty.close()
    assert seen(faulty, b"fine") == (1, 2, 2, 3)


def test_memory_is_bounded(faulty: Boxes) -> None:
    """Eight gigabytes are refused to the process, and the machine never sees them."""
    assert refused(faulty, b"memory").code == "decoder_memory"
    assert seen(faulty, b"fine") == (1, 2, 2, 3)


@pytest.mark.parametrize("said", [b"content hello", b"content ref_mismatch", b"shape "])
def test_what_a_decoder_may_not_say_is_not_believed(faulty: Boxes, said: bytes) -> None:
    """Codes are of a known set, frames of a known shape: a codec that is taken over cannot write decisions."""
    assert refused(faulty, said).code == "decoder_died"


def test_a_decoder_has_nothing_of_the_worker(faulty: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret in its environment, no descriptor but its line, no file to write, no core of its memory."""
    monkeypatch.setenv("TIDEGATE_KAFKA__SASL_PASSWORD", "hunter2")
    alone = Boxes(DecodingSettings(), module=FAULTY)
    assert "TIDEGATE" not in refused(alone, b"look environment").reason
    assert int(refused(alone, b"look descriptors").reason) <= 5
    assert refused(alone, b"look core").reason == "(0, 0)"
    assert refused(alone, b"look %s" % bytes(tmp_path / "x")).reason != "written"
    alone.close()


def test_threads_have_a_process_each(faulty: Boxes) -> None:
    """One that hangs does not hold up another."""
    slow = threading.Thread(target=lambda: refused(faulty, b"hang"))
    slow.start()
    assert seen(faulty, b"fine") == (1, 2, 2, 3)
    slow.join()
