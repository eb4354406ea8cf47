"""A real Chromium for the tests of the console: the one on PATH, else Debian's, installed when we may."""

from __future__ import annotations

import os
import shutil
import subprocess

FLAGS = (
    "--no-sandbox",  # tests run as root in CI, where Chromium's own sandbox will not start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """
    Path of the browser.

    Raises:
        RuntimeError: there is none and none can be installed, with what to do.
    """
    why = "apt-get is missing, or this is not root"
    if not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-yqq", "chromium"]):
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
            why = (done.stderr.strip().splitlines() or [""])[-1]
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise RuntimeError(f"no Chromium here: put one on PATH (Debian: apt install chromium): {why}")
    return found
