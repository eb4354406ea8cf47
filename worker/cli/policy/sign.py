"""`tidegate policy sign`: a signed manifest of a whole set, so that a worker takes no file its author did not sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from worker.core.errors import ConfigError, SourceUnavailable


def sign(
    folder: Annotated[Path, typer.Argument(help="The policies folder.")],
    key: Annotated[Path, typer.Option(help="PEM file of the private Ed25519 key.")],
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key first; its public half is KEY.pub.")] = False,
    json: Annotated[bool, typer.Option("--json", help="What was signed, as one JSON document.")] = False,
) -> None:
    """
    Write manifest.json, the sha256 of every file, and manifest.sig, its signature.

    Sign after every change: with policy_source.public_key set, a worker
    refuses a set in which a file is unsigned, altered, added or missing, and
    keeps the last good one. Keep the private key away from the workers.

    Examples:
      tidegate policy sign policies --key ~/tidegate.pem --new-key
      tidegate policy sign policies --key ~/tidegate.pem
    """
    from worker.policy.files import plain_name
    from worker.policy.signing import MANIFEST, SIGNATURE, fingerprint, manifest_of, private_key
    from worker.policy.signing import new_key as make_key
    from worker.policy.signing import sign as signature_of
    from worker.policy.source.folder import FolderSource

    if key.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{key} lies in the folder that is given to workers: keep the private key elsewhere")
    public = make_key(key) if new_key else None
    private = private_key(key)
    try:
        files = FolderSource(folder).scan()
    except SourceUnavailable as error:
        raise ConfigError(str(error)) from None
    manifest = manifest_of(files)
    for name, content in ((MANIFEST, manifest), (SIGNATURE, signature_of(manifest, private))):
        beside = folder / f".{plain_name(name)}.new"
        try:
            beside.write_bytes(content)
            beside.replace(folder / name)
        except OSError as error:
            raise ConfigError(f"{folder / name} cannot be written: {error.strerror}") from None
    names = sorted(orjson.loads(manifest)["files"])
    if json:
        found = {"files": names, "key": fingerprint(private.public_key()), "public_key": public and str(public)}
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    if public is not None:
        typer.echo(f"new key: {key} (keep it away from the workers), public half: {public}")
    typer.echo(f"signed {len(names)} files of {folder}: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}")
