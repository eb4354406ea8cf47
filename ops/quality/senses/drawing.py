"""Sentences drawn as pictures, plain and as people hide print from machines. Seeded; a person can read each."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from ops.quality.senses.judging import Part, picture, text

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "image"
SHIPPED = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
DEBIAN = Path("/usr/share/fonts")
PRINT, ITALIC = SHIPPED / "DejaVuSans.ttf", SHIPPED / "DejaVuSerif-Italic.ttf"
JOINED = (DEBIAN / "opentype/dancingscript/DancingScript-Regular.otf",)
LOOSE = (DEBIAN / "truetype/femkeklaver/femkeklaver.ttf", DEBIAN / "truetype/humor-sans/Humor-Sans.ttf")
PACKAGES = "fonts-dancingscript fonts-femkeklaver fonts-humor-sans"

Grey = int  # 0 black to 255 white
WIDE = 640  # pixels of a picture
_MARGIN = 24


@dataclass(frozen=True, slots=True)
class Variation:
    """A way to draw a sentence. draw: from it, its place and a seeded die, the parts of the event."""

    name: str
    told: str
    draw: Callable[[str, int, random.Random], list[Part]]

    def __call__(self, sentence: str, place: int) -> list[Part]:
        """The same sentence and place give the same picture."""
        return self.draw(sentence, place, random.Random(f"{self.name}:{sentence}"))


@cache
def font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """
    A font of `size` pixels.

    Raises:
        SystemExit: it is not on this machine; the message says what to install.
    """
    try:
        return ImageFont.truetype(str(path), size)
    except OSError:
        raise SystemExit(f"the font {path.name} is missing: apt-get install -y {PACKAGES}") from None


def page(
    sentence: str, face: Path = PRINT, size: int = 30, ink: Grey = 0, paper: Grey = 255, wide: int = WIDE
) -> Image.Image:
    """The sentence in lines on plain paper."""
    lines = _lines(sentence, font(face, size), wide - 2 * _MARGIN)
    high = 2 * _MARGIN + round(1.4 * size * len(lines))
    made = Image.new("L", (wide, high), paper)
    ImageDraw.Draw(made).multiline_text((_MARGIN, _MARGIN), "\n".join(lines), ink, font(face, size), spacing=size // 5)
    return made.convert("RGB")


def _lines(sentence: str, face: ImageFont.FreeTypeFont, wide: int) -> list[str]:
    lines = [""]
    for word in sentence.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and face.getlength(longer) > wide:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def over_photo(
    photo: Image.Image, sentence: str, dice: random.Random, face: Path = PRINT, size: int = 34
) -> Image.Image:
    """White letters with a thin dark edge on a photograph, as on shared pictures."""
    photo = photo.copy()
    lines = _lines(sentence, font(face, size), WIDE - 2 * _MARGIN)
    at = (_MARGIN, dice.randint(_MARGIN, max(photo.height - round(1.4 * size * len(lines)) - _MARGIN, _MARGIN + 1)))
    ImageDraw.Draw(photo).multiline_text(
        at, "\n".join(lines), "white", font(face, size), spacing=size // 5, stroke_width=2, stroke_fill="black"
    )
    return photo


@cache
def photographs() -> dict[str, Image.Image]:
    """The shared photographs by name."""
    return {file.stem: Image.open(file).convert("RGB") for file in sorted((DATA / "photos").iterdir())}


def photograph(dice: random.Random) -> Image.Image:
    """One of the photographs, `WIDE` pixels wide."""
    photo = dice.choice(list(photographs().values()))
    return photo.resize((WIDE, round(photo.height * WIDE / photo.width)), Image.Resampling.LANCZOS)


def turned(made: Image.Image, degrees: float) -> Image.Image:
    """Turned against the clock, the corners filled with paper."""
    return made.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def encoded(made: Image.Image, kind: str = "PNG", quality: int = 90) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    made.save(buffer, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _alone(draw: Callable[[str, int, random.Random], Image.Image]) -> Callable[[str, int, random.Random], list[Part]]:
    return lambda sentence, place, dice: [picture(encoded(draw(sentence, place, dice)))]


def _jpeg(sentence: str, place: int, dice: random.Random) -> list[Part]:
    return [picture(encoded(page(sentence), "JPEG", 30))]


def _split(sentence: str, place: int, dice: random.Random) -> list[Part]:
    """One half drawn, the other the caption; the caption comes first every second time."""
    words = sentence.split()
    first, second = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
    if place // 4 % 2:
        return [text(first), picture(encoded(page(second)))]
    return [picture(encoded(page(first))), text(second)]


def _small_on_photo(sentence: str, place: int, dice: random.Random) -> Image.Image:
    photo = photograph(dice).resize((1280, 960))
    draw = ImageDraw.Draw(photo)
    face = font(PRINT, 15)
    wide = round(face.getlength(sentence)) + 12
    left, top = dice.randint(0, max(1280 - wide, 1)), dice.randint(0, 930)
    draw.rectangle((left, top, left + wide, top + 24), "white")
    draw.text((left + 6, top + 3), sentence, "black", face)
    return photo


def _hardest(sentence: str, place: int, dice: random.Random) -> list[Part]:
    made = turned(over_photo(photograph(dice), sentence, dice, LOOSE[place // 2 % 2], 40), dice.choice((-10, 10)))
    return [picture(encoded(made, "JPEG", 30))]


_ALL = (
    Variation("print", "black on white, 30 pixels", _alone(lambda s, n, d: page(s))),
    Variation("jpeg_30", "the same as a JPEG of quality 30", _jpeg),
    Variation("italic", "DejaVu Serif Italic", _alone(lambda s, n, d: page(s, ITALIC))),
    Variation("hand_loose", "Femkeklaver, Humor Sans", _alone(lambda s, n, d: page(s, LOOSE[n // 2 % 2], 40))),
    Variation("hand_joined", "Dancing Script", _alone(lambda s, n, d: page(s, JOINED[0], 36))),
    Variation("faint", "40 grey levels apart", _alone(lambda s, n, d: page(s, ink=150, paper=190))),
    Variation("very_faint", "12 grey levels apart", _alone(lambda s, n, d: page(s, ink=118, paper=130))),
    Variation("small", "10 pixels", _alone(lambda s, n, d: page(s, size=10))),
    Variation("tiny", "7 pixels", _alone(lambda s, n, d: page(s, size=7))),
    Variation("small_on_photo", "15 pixels on a label in a photograph of 1280", _alone(_small_on_photo)),
    Variation(
        "over_photo", "white with an edge, on a photograph", _alone(lambda s, n, d: over_photo(photograph(d), s, d))
    ),
    Variation("turned_5", "turned by 5°", _alone(lambda s, n, d: turned(page(s), d.choice((-5, 5))))),
    Variation("turned_15", "turned by 15°", _alone(lambda s, n, d: turned(page(s), d.choice((-15, 15))))),
    Variation("turned_45", "turned by 45°", _alone(lambda s, n, d: turned(page(s), d.choice((-45, 45))))),
    Variation("turned_90", "turned by 90°", _alone(lambda s, n, d: turned(page(s), d.choice((-90, 90))))),
    Variation("turned_180", "upside down", _alone(lambda s, n, d: turned(page(s), 180))),
    Variation("split", "half of it drawn, the other half the caption", _split),
    Variation("hardest", "handwriting over a photograph, turned by 10°, JPEG 30", _hardest),
)
VARIATIONS: Mapping[str, Variation] = MappingProxyType({variation.name: variation for variation in _ALL})
