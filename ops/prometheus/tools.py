"""Prometheus and promtool: the ones on PATH, else Debian's package unpacked beside this file, without root."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

_UNPACKED = Path(__file__).parent / "bin"


class PrometheusUnavailable(RuntimeError):
    """There is no Prometheus here; the message says what to install."""


@functools.cache
def tool(name: str) -> str:
    """
    The path of `prometheus` or `promtool`.

    Raises:
        PrometheusUnavailable: neither on PATH nor to be had from Debian.
    """
    if found := shutil.which(name):
        return found
    if not (_UNPACKED / name).exists():
        _unpack()
    return str(_UNPACKED / name)


def _unpack() -> None:
    why = "apt-get or dpkg-deb is missing"
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        with tempfile.TemporaryDirectory() as folder:
            why = _try(["apt-get", "download", "prometheus"], folder)
            if why:  # package lists may never have been read here
                _try(["apt-get", "update", "-qq"], folder)
                why = _try(["apt-get", "download", "prometheus"], folder)
            packages = list(Path(folder).glob("prometheus_*.deb"))
            if packages and not (why := _try(["dpkg-deb", "-x", str(packages[0]), "root"], folder)):
                _UNPACKED.mkdir(exist_ok=True)
                for name in ("prometheus", "promtool"):
                    shutil.move(f"{folder}/root/usr/bin/{name}", _UNPACKED / name)
                return
    raise PrometheusUnavailable(
        f"no Prometheus here: put prometheus and promtool on PATH (Debian: apt install prometheus): {why}"
    )


def _try(command: list[str], folder: str) -> str:
    """Run it; why it failed, or nothing."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{command[0]}: {done.stderr.strip()[-300:] or done.returncode}"
