"""
Known vulnerabilities of the locked packages, by pip-audit: `make audit`. Says what it could not ask for.

Without the network nothing is known, and that is no reason to stop a build: the exit code is 1 for a vulnerability, 0
otherwise, and the last line says how many packages were looked up. `--strict` makes 1 of an incomplete look as well.

    python -m ops.audit [--strict] [LOCK]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Found(NamedTuple):
    """What an audit says."""

    looked_up: int
    skipped: int
    lines: list[str]  # one a vulnerability: package, version, its name, and the versions that mend it

    def exit_code(self, *, strict: bool) -> int:
        return 1 if self.lines or (strict and (self.skipped or not self.looked_up)) else 0


def read(report: dict[str, Any]) -> Found:
    """From pip-audit's JSON."""
    packages = report["dependencies"]
    skipped = [one for one in packages if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {vuln['id']}: mended in {', '.join(vuln['fix_versions']) or 'no version yet'}"
        for one in packages
        for vuln in one.get("vulns", ())
    ]
    return Found(len(packages) - len(skipped), len(skipped), lines)


def audit(lock: Path) -> Found | None:
    """Ask for every package of `lock`; None when nothing could be asked at all."""
    words = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    command = [sys.executable, "-m", "pip_audit", "-r", str(lock), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return read(json.loads(done.stdout)) if done.stdout.lstrip().startswith("{") else None


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m ops.audit", description=__doc__)
    parser.add_argument("lock", nargs="?", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--strict", action="store_true", help="fail as well when packages could not be looked up")
    given = parser.parse_args()
    found = audit(given.lock) or Found(0, 0, [])
    for line in found.lines:
        print(line)
    said = f", {found.skipped} could not be looked up" if found.skipped or not found.looked_up else ""
    print(f"{len(found.lines)} vulnerabilities known; {found.looked_up} packages looked up{said}")
    sys.exit(found.exit_code(strict=given.strict))


if __name__ == "__main__":
    main()
