"""`tidegate schemas`: writes `schemas/` from the code, or checks that it has not drifted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer


def _documents() -> dict[str, dict[str, Any]]:
    from worker.core.schema_decision import deadletter_schema, decision_schema
    from worker.decode.schema import event_schema
    from worker.policy.schema import policy_schema

    return {
        "event.v1.json": event_schema(),
        "decision.v1.json": decision_schema(),
        "policy.v1.json": policy_schema(),
        "deadletter.v1.json": deadletter_schema(),
    }


def schemas(
    folder: Annotated[Path, typer.Argument(help="Where the schemas are.")] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file differs.")] = False,
) -> None:
    """
    Write the JSON Schemas of events, decisions, policies and dead letters.

    Examples:
      tidegate schemas
      tidegate schemas --check
    """
    drifted = []
    for name, document in _documents().items():
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
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
