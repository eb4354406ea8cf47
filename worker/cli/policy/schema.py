"""`tidegate policy schema`: the JSON Schema of policy.v1, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from worker.core.errors import ConfigError


def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file, and print where.")] = None,
) -> None:
    """
    Print the JSON Schema of a policy file, so that an editor completes fields and marks mistakes.

    Examples:
      tidegate policy schema > policy.v1.json
      tidegate policy schema --out .vscode/policy.v1.json
    """
    from worker.policy.schema import policy_schema

    text = orjson.dumps(policy_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    if out is None:
        typer.echo(text.decode(), nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(text)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from None
    typer.echo(str(out.resolve()))
