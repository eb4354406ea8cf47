"""Makes the media and the manifest of `tidegate demo` anew: python -m ops.demo_assets --from ../shared/data"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import torchaudio.functional
from PIL import Image, ImageDraw, ImageFont

OUT = Path(__file__).resolve().parents[1] / "worker" / "cli" / "demo_events"
RATE = 16_000
Event = dict[str, Any]


def poster(lines: list[str], name: str, *, paper: str, ink: str, size: int = 54) -> None:
    """A PNG of printed lines, in the font that Pillow carries (Aileron, CC0)."""
    image = Image.new("RGB", (720, 120 + 90 * len(lines)), paper)
    draw = ImageDraw.Draw(image)
    draw.rectangle((18, 18, image.width - 19, image.height - 19), outline=ink, width=4)
    for row, line in enumerate(lines):
        draw.text((image.width / 2, 105 + 90 * row), line, ink, ImageFont.load_default(size), anchor="mm")
    image.quantize(16).save(OUT / name, optimize=True)


def photo(source: Path, name: str) -> None:
    """A small JPEG of a photograph."""
    image = Image.open(source).convert("RGB")
    image.thumbnail((480, 480))
    image.save(OUT / name, quality=82, optimize=True)


def read_16k(source: Path) -> npt.NDArray[np.float32]:
    """float32 [T] mono at 16 kHz."""
    samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    mono = torch.from_numpy(samples.mean(axis=1))
    resampled: npt.NDArray[np.float32] = torchaudio.functional.resample(mono, rate, RATE).numpy()
    return resampled


def clip(source: Path, name: str, seconds: float) -> None:
    """The first seconds of a recording as Opus."""
    soundfile.write(OUT / name, read_16k(source)[: int(seconds * RATE)], RATE, format="OGG", subtype="OPUS")


def speech(sentence: str, name: str) -> None:
    """A sentence said by espeak-ng, 16 kHz mono FLAC."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "spoken.wav"
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(spoken), sentence], check=True)
        soundfile.write(OUT / name, read_16k(spoken), RATE, subtype="PCM_16")


def text(line: str) -> Event:
    return {"type": "text", "text": line}


IMAGE: Event = {"type": "image", "mime": "image/png"}
PHOTO: Event = {"type": "image", "mime": "image/jpeg"}
OPUS: Event = {"type": "audio", "mime": "audio/ogg"}
FLAC: Event = {"type": "audio", "mime": "audio/flac"}
REPORT = "The photographs show bodies with their throats cut and their hands tied behind their backs."
# "I will kill you tonight", with figures for letters and zero-width spaces between them.
EVASION = "1 w1ll k​1​l​l y0u t0n1ght"

# name, tenant, actor, parts, file, context
DEMO: list[tuple[str, str, str, list[Event], str | None, Event]] = [
    ("chat line", "demo", "ana", [text("good game everyone, same time tomorrow?")], None, {}),
    (
        "threat",
        "demo",
        "bo",
        [text("If you come to school tomorrow I will stab you. I know where you live.")],
        None,
        {},
    ),
    ("disagreement", "demo", "ana", [text("I think you are wrong about this, the numbers say otherwise.")], None, {}),
    ("technical question", "demo", "cy", [text("How do I kill a Python process that hangs on exit?")], None, {}),
    ("threat in disguise", "demo", "bo", [text(EVASION)], None, {}),
    ("picture of a threat", "demo", "bo", [IMAGE], "threat.png", {}),
    ("picture of a notice", "demo", "ana", [IMAGE], "notice.png", {}),
    ("photo", "demo", "cy", [PHOTO], "coffee.jpg", {}),
    ("caption", "demo", "dee", [text("Tomorrow after school you get")], None, {}),
    ("picture", "demo", "eli", [IMAGE], "joined.png", {}),
    (
        "caption and picture",
        "demo",
        "fay",
        [text("Tomorrow after school you get"), IMAGE],
        "joined.png",
        {},
    ),
    ("speech", "demo", "gil", [OPUS], "speech.ogg", {}),
    ("speech with a threat", "demo", "bo", [FLAC], "threat.flac", {}),
    (
        "account for sale",
        "kids-game",
        "hal",
        [text("wts my lvl 99 acc with all skins, 40 bucks, pm me")],
        None,
        {"audience": "kids"},
    ),
    ("war report, news forum", "news-forum", "ida", [text(REPORT)], None, {"audience": "adults"}),
    ("war report, kids' game", "kids-game", "ida", [text(REPORT)], None, {"audience": "kids"}),
]


def manifest() -> None:
    """One JSON a line: a short title, an event.v1 without its data, and the file that holds the data."""
    lines = []
    for number, (name, tenant, actor, parts, file, context) in enumerate(DEMO, 1):
        event = {
            "id": f"demo-{number:02d}",
            "tenant": tenant,
            "parts": parts,
            "context": {"channel": "lobby", "language": "en", "actor": actor, **context},
        }
        lines.append(json.dumps({"name": name, "event": event, "file": file}))
    (OUT / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--from", dest="data", type=Path, default=Path("../shared/data"), help="folder of the originals"
    )
    data: Path = parser.parse_args().data
    OUT.mkdir(exist_ok=True)
    poster(["I WILL FIND YOU", "AND I WILL KILL YOU"], "threat.png", paper="#f4efe2", ink="#5a1010")
    poster(["CHESS CLUB", "Thursday 4 pm", "Room 12, all welcome"], "notice.png", paper="#eaf3ee", ink="#153a2a")
    poster(["BEATEN UP"], "joined.png", paper="#ffffff", ink="#202020")
    photo(data / "image/photos/coffee.png", "coffee.jpg")
    clip(data / "audio/speech/librivox_0870.wav", "speech.ogg", 8.0)
    speech("I know where you live. Tomorrow I will come to your house and kill you.", "threat.flac")
    manifest()


if __name__ == "__main__":
    main()
