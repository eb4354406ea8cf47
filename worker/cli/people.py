"""`tidegate people`: who may come into the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.run import Config

app = typer.Typer(no_args_is_help=True, help="Who may come into the console: add, list and remove them.")

People = Annotated[Path | None, typer.Option("--people", help="File of people; console.people when left out.")]
_SHORTEST = 12


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    people: People = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Whose decisions they may see; repeat it. Everyone's when left out.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="They may change policies, with console.write.")] = False,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when left out.")
    ] = "",
    config: Config = None,
) -> None:
    """
    Add somebody, or change their password. A running console knows it within a second.

    Examples:
      tidegate people add mira --people people.json --tenant acme
    """
    from worker.console.people import EVERY_TENANT, new_row, read_people
    from worker.serve.rows import write_rows

    if len(password) < _SHORTEST:
        raise typer.BadParameter(f"a password has at least {_SHORTEST} characters")
    path = _path(people, config)
    rows = read_people(path) if path.exists() else {}
    write_rows(path, rows | {name: new_row(password, tenant or [EVERY_TENANT], write=write)})
    typer.echo(f"{name} may come in")


@app.command("list")
def list_(people: People = None, config: Config = None) -> None:
    """Names, tenants and rights; never a hash."""
    from worker.console.people import read_people

    for name, row in sorted(read_people(_path(people, config)).items()):
        typer.echo(f"{name}  {', '.join(row.tenants)}{'  writes' if row.write else ''}")


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Who.")], people: People = None, config: Config = None) -> None:
    """Take somebody out of the file: a running console signs them out within a second."""
    from worker.console.people import read_people
    from worker.serve.rows import write_rows

    path = _path(people, config)
    rows = read_people(path)
    if rows.pop(name, None) is None:
        raise typer.BadParameter(f"{path} has nobody of that name: see `tidegate people list`")
    write_rows(path, rows)


def _path(people: Path | None, config: Path | None) -> Path:
    from worker.settings import load

    path = people or load(config).console.people
    if path is None:
        raise typer.BadParameter("no file of people: give --people, or set console.people")
    return path
