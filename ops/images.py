"""
Pins images by digest: `python -m ops.images` asks the registry, by Docker, and writes NAME:TAG@sha256:… there.

Needs Docker with buildx and the registry's network, so it is run by whoever makes a release, not by the tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Dockerfile", "docker-compose.yml")
_IMAGE = re.compile(r"^(\s*image: |FROM )((?:[\w.-]+/)*[\w.-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?(?=$|\s)", re.MULTILINE)


def pinned(text: str, digest: Callable[[str], str]) -> str:
    """`text` with every image that has a tag followed by its digest; ours, which has none, stays."""
    return _IMAGE.sub(lambda found: f"{found[1]}{found[2]}@{digest(found[2])}", text)


def ask(image: str) -> str:
    """The digest of `image`'s index, for all platforms. Raises CalledProcessError when the registry does not say."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Pin the images of the Dockerfile and the compose file."""
    for name in FILES:
        path = ROOT / name
        path.write_text(pinned(path.read_text("utf-8"), ask), "utf-8")
    sys.stdout.write("pinned: " + ", ".join(FILES) + "\n")


if __name__ == "__main__":
    main()
