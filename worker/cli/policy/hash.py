"""`tidegate policy hash`: pictures to the lines of a list of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    from worker.core.events import ImagePart

_HEADER = "# algorithm: phash64 (the 64-bit phash of imagehash); more of it: tidegate policy hash PICTURE…"


def hash_pictures(
    pictures: Annotated[list[Path], typer.Argument(help="PNG, JPEG, WebP or GIF files.", dir_okay=False)],
    crops: Annotated[
        bool, typer.Option("--crops", help="Also of crops, some twenty lines a picture: finds cropped copies.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a picture.")] = False,
) -> None:
    """
    Print the perceptual hash of each picture, one a line: a list for a policy's `images`.

    A picture is decoded as the worker decodes it; an animation has a hash for
    each frame that the worker looks at. Mirrored and framed copies are found
    with one line a picture; cropped ones, and ones with a caption laid over
    the top or the bottom, with --crops.

    Exit code 1 when a picture is one plain colour, which would match every
    other one; 2 when a file cannot be read.

    Examples:
      tidegate policy hash known/*.jpg > policies/lists/known-bad.txt
      tidegate policy hash --crops known/*.jpg > policies/lists/known-bad.txt
      tidegate policy hash --json picture.png
    """
    from worker.window.pictures import PLAIN, crop_hashes, picture_hashes

    plain: list[Path] = []
    if not json:
        typer.echo(_HEADER)
    shown = Console(stderr=True)
    for path in track(pictures, "hashing", console=shown, transient=True, disable=not shown.is_terminal):
        part = _decoded(path)
        if part.frames.mean(axis=3).std(axis=(1, 2)).max() < PLAIN:
            plain.append(path)
            continue
        found = [*picture_hashes(part)[:, 0].tolist(), *(crop_hashes(part).tolist() if crops else ())]
        hashes = [f"{value:016x}" for value in found]
        if json:
            typer.echo(orjson.dumps({"file": str(path), "algorithm": "phash64", "hashes": hashes}))
        else:
            typer.echo("\n".join(dict.fromkeys(hashes)))
    for path in plain:
        typer.secho(f"{path} is one plain colour and would match every other one: left out", fg="red", err=True)
    if plain:
        raise typer.Exit(1)


def _decoded(path: Path) -> ImagePart:
    """Raises ConfigError naming the file when it is no picture that the worker can read."""
    from worker.core.errors import ConfigError, OverLimit, PartUnreadable
    from worker.decode.envelope import OuterLimits
    from worker.decode.image import decode_image

    limits = OuterLimits()
    try:
        data = path.read_bytes()
        part, damage = decode_image(data, str(path), max_pixels=limits.image_pixels, max_side=limits.image_side)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (OverLimit, PartUnreadable) as error:
        raise ConfigError(f"{path}: {error}") from None
    if damage is not None:
        raise ConfigError(f"{path}: {damage.reason}")
    return part
