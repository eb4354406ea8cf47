"""Known pictures, what people do to copies of them, and pictures that are none of them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from ops.quality.senses.drawing import DATA, PRINT, encoded, font, over_photo, page, photographs
from ops.quality.senses.sentences import HARMFUL, HARMLESS

Change = Callable[[Image.Image, random.Random], Image.Image]
Pictures = dict[str, Image.Image]
_WORDS = "when you see it"


def known() -> Pictures:
    """By name: the quarters of each photograph, each photograph with a line written on it, and drawings."""
    found = {}
    for n, (name, photo) in enumerate(photographs().items()):
        wide, high = photo.width // 2, photo.height // 2
        for k in range(4):
            left, top = k % 2 * wide, k // 2 * high
            found[f"{name}/{k}"] = photo.crop((left, top, left + wide, top + high))
        found[f"meme/{n}"] = over_photo(photo, HARMLESS[n], random.Random(f"known:{n}"))
    return found | {f"drawing/{n}": drawing(random.Random(f"known:{n}")) for n in range(15)}


def strangers() -> Pictures:
    """None of the known ones to a person: other drawings, and pages of print, which resemble each other."""
    found = {f"drawing/{n}": drawing(random.Random(f"stranger:{n}")) for n in range(150)}
    found |= {f"print/{n}": page(line, wide=480) for n, line in enumerate(HARMFUL + HARMLESS)}
    figstep = sorted((DATA / "figstep_tiny").glob("*.png"))
    return found | {f"figstep/{file.stem}": Image.open(file).convert("RGB") for file in figstep}


def drawing(dice: random.Random) -> Image.Image:
    """Six to fourteen coloured shapes."""
    made = Image.new("RGB", (480, 360), _colour(dice))
    draw = ImageDraw.Draw(made)
    for _ in range(dice.randint(6, 14)):
        left, top = dice.randint(-40, 480), dice.randint(-40, 360)
        box = (left, top, left + dice.randint(30, 240), top + dice.randint(30, 240))
        shape = draw.ellipse if dice.random() < 0.5 else draw.rectangle
        shape(box, fill=_colour(dice))
    return made


def _colour(dice: random.Random) -> tuple[int, int, int]:
    return dice.randint(0, 255), dice.randint(0, 255), dice.randint(0, 255)


def _cropped(share: float) -> Change:
    """That share of both sides cut off, anywhere."""

    def change(made: Image.Image, dice: random.Random) -> Image.Image:
        wide, high = round(made.width * (1 - share)), round(made.height * (1 - share))
        left, top = dice.randint(0, made.width - wide), dice.randint(0, made.height - high)
        return made.crop((left, top, left + wide, top + high))

    return change


def _resized(times: float) -> Change:
    return lambda made, dice: made.resize((round(made.width * times), round(made.height * times)))


def _jpeg(quality: int) -> Change:
    return lambda made, dice: Image.open(io.BytesIO(encoded(made, "JPEG", quality))).convert("RGB")


def _captioned(made: Image.Image, dice: random.Random) -> Image.Image:
    """A black bar with words over the lowest seventh."""
    bar = made.height // 7
    made = made.copy()
    draw = ImageDraw.Draw(made)
    draw.rectangle((0, made.height - bar, made.width, made.height), "black")
    draw.text((10, made.height - bar + bar // 8), _WORDS, "white", font(PRINT, bar * 2 // 3))
    return made


def _headed(made: Image.Image, dice: random.Random) -> Image.Image:
    """A white bar with words put above the picture."""
    bar = made.height // 6
    whole = Image.new("RGB", (made.width, made.height + bar), "white")
    whole.paste(made, (0, bar))
    ImageDraw.Draw(whole).text((10, bar // 8), _WORDS, "black", font(PRINT, bar // 2))
    return whole


def _logo(made: Image.Image, dice: random.Random) -> Image.Image:
    made, side = made.copy(), min(made.size) // 5
    box = (made.width - side - 8, made.height - side - 8, made.width - 8, made.height - 8)
    ImageDraw.Draw(made).ellipse(box, fill=(200, 30, 30))
    return made


def _written(made: Image.Image, dice: random.Random) -> Image.Image:
    made = made.copy()
    at, face = (made.width // 10, made.height // 2), font(PRINT, made.height // 9)
    ImageDraw.Draw(made).text(at, "LOOK AT THIS", "white", face, stroke_width=2, stroke_fill="black")
    return made


def _framed(share: float, colour: str) -> Change:
    return lambda made, dice: ImageOps.expand(made, round(share * min(made.size)), colour)


def _brighter(made: Image.Image, dice: random.Random) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(made).enhance(1.2)).enhance(0.8)


def _together(made: Image.Image, dice: random.Random) -> Image.Image:
    """Mirrored, a tenth cropped, half the size, a white frame, JPEG 50."""
    for change in (_cropped(0.1), _resized(0.5), _framed(0.05, "white"), _jpeg(50)):
        made = change(made, dice)
    return ImageOps.mirror(made)


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "half the size": _resized(0.5),
        "twice the size": _resized(2),
        "JPEG 50": _jpeg(50),
        "JPEG 30": _jpeg(30),
        "brighter, less contrast": _brighter,
        "mirrored": lambda made, dice: ImageOps.mirror(made),
        "cropped by 5 %": _cropped(0.05),
        "cropped by 10 %": _cropped(0.1),
        "cropped by 20 %": _cropped(0.2),
        "white frame, 5 %": _framed(0.05, "white"),
        "black frame, 10 %": _framed(0.1, "black"),
        "bar with words above": _headed,
        "bar with words laid over": _captioned,
        "logo in a corner": _logo,
        "words across": _written,
        "turned by 3°": lambda made, dice: made.rotate(3, Image.Resampling.BICUBIC, expand=True, fillcolor="white"),
        "turned by 90°": lambda made, dice: made.transpose(Image.Transpose.ROTATE_90),
        "mirrored, cropped by 10 %, half the size, framed, JPEG 50": _together,
    }
)
