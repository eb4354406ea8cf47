"""What we depend on: the SBOM holds the whole lock, the audit says what it knows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from ops.audit import read

ROOT = Path(__file__).resolve().parents[3]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def test_the_sbom_holds_every_locked_package_with_its_hash(tmp_path: Path) -> None:
    """As `make sbom` writes it: CycloneDX 1.6."""
    out = tmp_path / "sbom.json"
    words = ["requirements", str(ROOT / "requirements.lock"), "--of", "JSON", "--sv", "1.6", "--no-validate"]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words, "-o", str(out)], check=True, capture_output=True)
    document = json.loads(out.read_text("utf-8"))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    parts = {one["name"]: one for one in document["components"]}
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", LOCK, re.MULTILINE))
    assert {name: part["version"] for name, part in parts.items()} == locked
    assert all("sha256" in json.dumps(part).lower().replace("-", "") for part in parts.values())


def test_the_lock_names_no_host_and_every_package_by_hash() -> None:
    """So it installs the same from any index."""
    assert "://" not in LOCK
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    assert all("--hash=sha256:" in block for block in blocks)


def test_an_audit_tells_what_is_vulnerable_and_what_it_could_not_look_up() -> None:
    """Without the network it finds nothing, says so, and stops nobody unless asked to."""
    clean = {"name": "a", "version": "1", "vulns": []}
    hurt = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
    unknown = {"name": "c", "skip_reason": "not found"}
    found = read({"dependencies": [clean, hurt, unknown]})
    assert (found.looked_up, found.skipped) == (2, 1)
    assert found.lines == ["b 2: CVE-1: mended in 3"]
    assert found.exit_code(strict=False) == 1
    offline = read({"dependencies": [unknown]})
    assert (offline.exit_code(strict=False), offline.exit_code(strict=True)) == (0, 1)
