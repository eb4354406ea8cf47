"""
Ed25519 over a manifest of the whole set: with a public key configured, only what its author signed is used.

`manifest.json` maps every other file of the set to its sha256; `manifest.sig` is the base64 of the signature of the
manifest's very bytes, after `CONTEXT`, so that nothing signed for another purpose can pass for a manifest. An older
signed set is as valid as a newer one: who can put files into the source can go back, but not make up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from worker.core.errors import ConfigError, PolicyRejected
from worker.policy.files import FileSet
from worker.policy.reading import read_json

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
CONTEXT = b"tidegate policy manifest v1\n"
_UNSIGNED = frozenset({MANIFEST, SIGNATURE})
_MAX_MANIFEST = 8 * 1024 * 1024
_PEM = serialization.Encoding.PEM


def manifest_of(files: FileSet) -> bytes:
    """
    The manifest of a set: canonical JSON, one file a line.

    Raises:
        ConfigError: a file of the set cannot be read.
    """
    digests: dict[str, str] = {}
    for name, file in sorted(files.files.items()):
        if name in _UNSIGNED:
            continue
        if file.problem:
            raise ConfigError(f"{name} cannot be signed: {file.problem}")
        digests[name] = f"sha256:{file.sha256}"
    return json.dumps({"files": digests}, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """The content of `manifest.sig`."""
    return base64.b64encode(key.sign(CONTEXT + manifest)) + b"\n"


def verify(files: FileSet, key: Ed25519PublicKey) -> None:
    """
    Check the whole set against its signed manifest.

    Raises:
        PolicyRejected: unsigned, signed with another key, or a file is altered, added or missing; code
            `signature_invalid`. Nothing of such a set may be used.
    """
    manifest = _read(files, MANIFEST)
    try:
        signature = base64.b64decode(_read(files, SIGNATURE).strip(), validate=True)
        key.verify(signature, CONTEXT + manifest)
    except (InvalidSignature, binascii.Error, ValueError):
        raise _refused(SIGNATURE, "it is no signature of manifest.json by the configured key: sign the set") from None
    said = read_json(manifest.decode("utf-8", "replace"), MANIFEST).get("files")
    if not isinstance(said, Mapping):
        raise _refused(MANIFEST, "it names no files: sign the set")
    for name in sorted(said.keys() | files.files.keys() - _UNSIGNED):
        if name not in said:
            raise _refused(name, "it was added after the set was signed: sign the set or take it out")
        if name not in files.files:
            raise _refused(name, "it is missing from the signed set: put it back or sign the set")
        if said[name] != f"sha256:{files.files[name].sha256}":
            raise _refused(name, "it was altered after the set was signed: sign the set or put it back")


def _read(files: FileSet, name: str) -> bytes:
    try:
        return files.read(name, _MAX_MANIFEST)
    except FileNotFoundError:
        raise _refused(name, "it is missing and a public key is configured: sign the set") from None
    except (OSError, ValueError) as error:
        raise _refused(name, f"it cannot be read: {error}") from None


def _refused(name: str, reason: str) -> PolicyRejected:
    return PolicyRejected(reason, file=name, code="signature_invalid")


def new_key(path: Path) -> Path:
    """
    Write a new private key to `path`, readable by its owner alone, and its public half beside it; gives the latter.

    Raises:
        ConfigError: there is a file already, or it cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    public = path.with_name(path.name + ".pub")
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    half = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        for file, content, mode in ((path, private, 0o600), (public, half, 0o644)):
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
                opened.write(content)
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} is there already: name another file, or sign with it") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    return public


def private_key(path: Path) -> Ed25519PrivateKey:
    """A private key from a PEM file without a password. Raises ConfigError."""
    try:
        key = serialization.load_pem_private_key(_bytes(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path} is no PEM private key without a password: make one with --new-key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is no Ed25519 key: make one with --new-key")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """A public key from a PEM file. Raises ConfigError."""
    try:
        key = serialization.load_pem_public_key(_bytes(path))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path} is no PEM public key: `tidegate policy sign --new-key` writes one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is no Ed25519 public key: `tidegate policy sign --new-key` writes one")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """ "sha256:…" of the key, to tell under which key a set was found good."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the key {path} cannot be read: {error.strerror}") from None
