"""`tidegate serve` and `tidegate keys`: the HTTP endpoint, and who may ask there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.run import Config
from worker.core import log

app = typer.Typer(no_args_is_help=True, help="API keys of the HTTP endpoint: make, list and remove them.")

Keys = Annotated[Path | None, typer.Option("--keys", help="File of keys; serve.keys of the settings when left out.")]


def serve(
    config: Config = None,
    policies: Annotated[Path | None, typer.Option(help="Folder of policies.")] = None,
    host: Annotated[str | None, typer.Option(help="Loopback when left out; beyond it keys and TLS are needed.")] = None,
    port: Annotated[int | None, typer.Option(help="8088 when left out; 0 picks a free one.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Fill the store from the decision topics too.")] = False,
) -> None:
    """
    Judge what is asked by HTTP, without a queue, until SIGTERM.

    POST /v1/moderations is compatible with OpenAI's moderation API;
    POST /v1/decide takes an event.v1 and answers with its decision.v1.

    Examples:
      tidegate serve --policies policies
      tidegate serve -c tidegate.toml
    """
    from worker.services import run_endpoint
    from worker.settings import load

    settings = load(config, {"policies": policies, "serve.host": host, "serve.port": port})
    log.configure(level=settings.log_level)
    asyncio.run(run_endpoint(settings, follow=follow))


@app.command("add")
def add(
    tenant: Annotated[str, typer.Argument(help="Whose key it is to be.")],
    keys: Keys = None,
    note: Annotated[str, typer.Option(help="What it is for, kept beside it.")] = "",
    config: Config = None,
) -> None:
    """
    Make a key and print it: this once, since only its hash is kept. A running endpoint knows it within a second.

    Examples:
      tidegate keys add acme --keys keys.json --note "the chat server"
    """
    from worker.serve.keys import new_key, read_keys
    from worker.serve.rows import write_rows

    path = _path(keys, config)
    rows = dict(read_keys(path).rows) if path.exists() else {}
    key, name, row = new_key(tenant, note)
    write_rows(path, rows | {name: row})
    typer.echo(key)


@app.command("list")
def list_(keys: Keys = None, config: Config = None) -> None:
    """The keys' names, tenants and notes; never a key."""
    from worker.serve.keys import read_keys

    for name, row in sorted(read_keys(_path(keys, config)).rows.items()):
        typer.echo(f"{name}  {row.tenant}  {row.note}".rstrip())


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The eight letters between the underscores.")],
    keys: Keys = None,
    config: Config = None,
) -> None:
    """Take a key out of the file: a running endpoint refuses it within a second."""
    from worker.serve.keys import read_keys
    from worker.serve.rows import write_rows

    path = _path(keys, config)
    rows = dict(read_keys(path).rows)
    if rows.pop(name, None) is None:
        raise typer.BadParameter(f"{path} holds no key of that name: see `tidegate keys list`")
    write_rows(path, rows)


def _path(keys: Path | None, config: Path | None) -> Path:
    from worker.settings import load

    path = keys or load(config).serve.keys
    if path is None:
        raise typer.BadParameter("no file of keys: give --keys, or set serve.keys")
    return path
