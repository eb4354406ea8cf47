"""`tidegate schemas`: writes `schemas/` from the code, or checks that it has not drifted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer


def _documents() -> dict[str, bytes]:
    """The files' contents, by name."""
    from worker.cli import asyncapi
    from worker.core.schema_decision import deadletter_schema, decision_schema
    from worker.core.schema_people import appeal_schema, review_schema
    from worker.decode.schema import event_schema
    from worker.policy.schema import policy_schema

    found: dict[str, dict[str, Any]] = {
        "event.v1.json": event_schema(),
        "decision.v1.json": decision_schema(),
        "policy.v1.json": policy_schema(),
        "deadletter.v1.json": deadletter_schema(),
        "appeal.v1.json": appeal_schema(),
        "review.v1.json": review_schema(),
    }
    written = {
        name: orjson.dumps(one, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
        for name, one in found.items()
    }
    return written | {"asyncapi.yaml": asyncapi.as_yaml(asyncapi.document()).encode()}


def schemas(
    folder: Annotated[Path, typer.Argument(help="Where the schemas are.")] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file differs.")] = False,
) -> None:
    """
    Write the JSON Schemas of what is read and written, reviews and appeals among it, and the topics as AsyncAPI.

    Examples:
      tidegate schemas
      tidegate schemas --check
    """
    drifted = []
    for name, text in _documents().items():
        path = folder / name
        if path.exists() and path.read_bytes() == text:
            continue
        drifted.append(name)
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    if check and drifted:
        typer.secho(f"schemas differ from the code: {', '.join(drifted)}: run `make schemas`", fg="red", err=True)
        raise typer.Exit(1)
    typer.echo("schemas agree with the code" if check or not drifted else f"wrote {', '.join(drifted)}")
