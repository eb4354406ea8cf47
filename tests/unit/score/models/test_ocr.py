"""Text in pictures is read, located, and read the same however pictures are batched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.unit.score.models.conftest import Pictured
from worker.core.errors import ModelFailed, WeightsRejected
from worker.core.events import PartType
from worker.score.models.lines import DETECTOR
from worker.score.models.ocr import RECOGNISER, RapidOcrReader

pytestmark = pytest.mark.models

Picture = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def reader() -> RapidOcrReader:
    return RapidOcrReader()


def written(text: str, photo: Picture, size: int) -> Picture:
    """The photo at 768 x 512 with a line of text on a white label, letters `size` pixels high."""
    canvas = Image.fromarray(photo).resize((768, 512))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    draw.rectangle((80, 290, 100 + draw.textlength(text, font), 300 + size * 2), fill="white")
    draw.text((90, 295), text, fill="black", font=font)
    return np.asarray(canvas)


def test_large_print_is_read_in_order(reader: RapidOcrReader, page: Picture, picture_view: Pictured) -> None:
    """Every word, from top to bottom, as text that counts for the picture."""
    (source,) = reader.extract([picture_view(page, path="parts/3")])
    assert source.path == "parts/3/ocr"
    assert source.types == (PartType.IMAGE,)
    assert " ".join(source.text.split()).startswith("List of symptoms to diagnose diabetes")


def test_each_line_is_located_in_the_original(reader: RapidOcrReader, page: Picture, picture_view: Pictured) -> None:
    """Boxes are in the pixels of the picture as it came, before the decoder shrank it."""
    (source,) = reader.extract([picture_view(page, scale=2.0)])
    assert [source.text[s.start : s.end] for s in source.segments] == source.text.split("\n")
    boxes = [segment.evidence.box for segment in source.segments]
    assert all(box is not None and box[0] < box[2] <= 2 * 760 and box[1] < box[3] <= 2 * 760 for box in boxes)
    place = source.text.index("symptoms")
    box = source.evidence(place, place + 8).box
    assert box is not None
    ink = page[box[1] // 2 : box[3] // 2, box[0] // 2 : box[2] // 2]
    assert ink.min() < 80 < 200 < ink.max()


def test_a_photograph_has_no_text(reader: RapidOcrReader, photo: Picture, picture_view: Pictured) -> None:
    """A cat is not a letter."""
    (source,) = reader.extract([picture_view(photo)])
    assert (source.text, source.segments) == ("", ())


@pytest.mark.parametrize("size", [10, 14, 20, 40])
def test_small_print_is_read(reader: RapidOcrReader, photo: Picture, picture_view: Pictured, size: int) -> None:
    """Shrinking a picture for speed must not hide what is written small in it."""
    (source,) = reader.extract([picture_view(written("bring the money or else", photo, size))])
    assert "bring the money or else" in source.text


def test_text_upside_down_is_read(reader: RapidOcrReader, page: Picture, picture_view: Pictured) -> None:
    """A turned picture is no way round."""
    (source,) = reader.extract([picture_view(np.ascontiguousarray(page[::-1, ::-1]))])
    assert "diabetes" in source.text


@pytest.mark.parametrize("degrees", [90, 150, 180, 270])
def test_turned_pictures_are_read_in_order(reader: RapidOcrReader, picture_view: Pictured, degrees: int) -> None:
    """Line after line, as whoever turns the picture reads it."""
    sheet = Image.new("RGB", (520, 150), "white")
    said = "bring all the money tonight\nor nobody sees her again"
    ImageDraw.Draw(sheet).multiline_text((20, 30), said, "black", ImageFont.load_default(32), spacing=12)
    turned = sheet.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    (source,) = reader.extract([picture_view(np.asarray(turned))])
    assert source.text == said


def test_faint_print_is_read(reader: RapidOcrReader, picture_view: Pictured) -> None:
    """Ten grey levels are enough for a person, and so for the reader; a plain picture still holds nothing."""
    sheet = Image.new("RGB", (420, 90), (130, 130, 130))
    (nothing,) = reader.extract([picture_view(np.asarray(sheet))])
    ImageDraw.Draw(sheet).text((20, 25), "bring the money or else", (120, 120, 120), ImageFont.load_default(32))
    (source,) = reader.extract([picture_view(np.asarray(sheet))])
    assert (source.text, nothing.text) == ("bring the money or else", "")


def test_a_reading_does_not_depend_on_the_batch(
    reader: RapidOcrReader, page: Picture, other_page: Picture, photo: Picture, picture_view: Pictured
) -> None:
    """Lines of all pictures are read together, and each comes back to its own."""
    small = written("nobody needs to know", photo, 12)
    views = [picture_view(p, path=f"parts/{n}") for n, p in enumerate((page, photo, other_page, small, page[:1, :1]))]
    together = reader.extract(views)
    assert together == [reader.extract([view])[0] for view in views]
    assert "blood" in together[2].text
    assert "blood" not in together[0].text


def test_no_pictures_give_no_texts(reader: RapidOcrReader) -> None:
    """An empty batch is no error."""
    assert reader.extract([]) == []


def test_a_picture_that_is_none_fails_the_batch_without_showing_it(
    reader: RapidOcrReader, picture_view: Pictured
) -> None:
    """The caller splits the batch; the message holds a type, no pixels."""
    with pytest.raises(ModelFailed, match="batch of 1 pictures"):
        reader.extract([picture_view(np.zeros((0, 5, 3), dtype=np.uint8))])


def test_other_weights_are_refused() -> None:
    """Neither network loads with a digest that is not the pinned one."""
    with pytest.raises(WeightsRejected, match="det_small"):
        RapidOcrReader(detector=replace(DETECTOR, sha256="0" * 64))
    with pytest.raises(WeightsRejected, match="rec_small"):
        RapidOcrReader(recogniser=replace(RECOGNISER, sha256="0" * 64))
