"""`tidegate policy hash`: what it prints is a list that a policy takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
from PIL import Image
from typer.testing import CliRunner

from tests.unit.policy.building import policy
from worker.cli import app
from worker.core.errors import ConfigError
from worker.core.events import ImagePart
from worker.window.pictures import picture_hashes

PICTURES = Path(__file__).parents[3] / "data" / "image"
CAT = PICTURES / "chelsea.jpg"


def test_what_is_printed_is_a_list(tmp_path: Path) -> None:
    """With a header that names the algorithm; the picture itself is then a hit."""
    printed = CliRunner().invoke(app, ["policy", "hash", str(CAT), str(PICTURES / "symptoms.png")])
    assert printed.exit_code == 0
    (tmp_path / "bad.txt").write_text(printed.stdout)
    images = [{"list": "bad.txt", "category": "a", "action": "flag", "distance": 0}]
    compiled = policy({"categories": {"a": {}}, "images": images}, folder=tmp_path)
    frames = np.asarray(Image.open(CAT).convert("RGB"))[np.newaxis]
    assert len(compiled.match_images("parts/0", picture_hashes(ImagePart("parts/0", frames)))) == 1


def test_crops_are_further_entries() -> None:
    """The picture's own first, then those of its crops."""
    alone = CliRunner().invoke(app, ["policy", "hash", str(CAT)]).stdout.splitlines()
    printed = CliRunner().invoke(app, ["policy", "hash", "--crops", str(CAT)]).stdout.splitlines()
    assert printed[: len(alone)] == alone
    assert len(printed) > len(alone) + 15


def test_json_has_a_line_a_picture() -> None:
    """For scripts."""
    printed = CliRunner().invoke(app, ["policy", "hash", "--json", str(CAT)])
    (line,) = printed.stdout.splitlines()
    said = orjson.loads(line)
    assert (said["file"], said["algorithm"], len(said["hashes"])) == (str(CAT), "phash64", 1)


def test_a_plain_picture_is_left_out(tmp_path: Path) -> None:
    """Its hash would match every other plain one."""
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "plain.png")
    printed = CliRunner().invoke(app, ["policy", "hash", str(tmp_path / "plain.png")])
    assert printed.exit_code == 1
    assert "one plain colour" in printed.stderr


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    """Nothing is left out in silence."""
    (tmp_path / "x.png").write_bytes(b"not a picture")
    printed = CliRunner().invoke(app, ["policy", "hash", str(tmp_path / "x.png")])
    assert isinstance(printed.exception, ConfigError)
    assert "x.png" in str(printed.exception)
