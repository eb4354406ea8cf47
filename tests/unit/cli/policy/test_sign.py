"""`tidegate policy sign`: what it writes is what a worker with the public key takes, and nothing else is."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from tests.unit.policy.building import POLICIES
from worker.cli import app
from worker.core.errors import ConfigError, PolicyRejected
from worker.policy.signing import public_key, verify
from worker.policy.source.folder import FolderSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the policies that ship."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["policy", "sign", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_a_set_signed_with_a_new_key_is_taken_and_a_changed_one_is_not(folder: Path, tmp_path: Path) -> None:
    """Lists and tenants.json are signed too; signing again mends it. The private key is its owner's alone."""
    key = tmp_path / "key.pem"
    said = run(str(folder), "--key", str(key), "--new-key")
    assert "tenants.json" in said
    assert key.stat().st_mode & 0o777 == 0o600
    public = public_key(tmp_path / "key.pem.pub")
    verify(FolderSource(folder).scan(), public)
    (folder / "lists" / "more.txt").write_text("x\n")
    with pytest.raises(PolicyRejected, match=r"lists/more.txt: it was added"):
        verify(FolderSource(folder).scan(), public)
    assert "lists/more.txt" in orjson.loads(run(str(folder), "--key", str(key), "--json"))["files"]
    verify(FolderSource(folder).scan(), public)


def test_what_cannot_be_signed_is_said(folder: Path, tmp_path: Path) -> None:
    """A key that is there already, one that is none, one that would be handed out, a folder that is not there."""
    key = tmp_path / "key.pem"
    run(str(folder), "--key", str(key), "--new-key")
    with pytest.raises(ConfigError, match="is there already"):
        run(str(folder), "--key", str(key), "--new-key")
    with pytest.raises(ConfigError, match="is no PEM private key"):
        run(str(folder), "--key", str(tmp_path / "key.pem.pub"))
    with pytest.raises(ConfigError, match="keep the private key elsewhere"):
        run(str(folder), "--key", str(folder / "key.pem"), "--new-key")
    with pytest.raises(ConfigError, match="cannot be read"):
        run(str(tmp_path / "nowhere"), "--key", str(key))
    with pytest.raises(ConfigError, match="is no PEM public key"):
        public_key(key)
