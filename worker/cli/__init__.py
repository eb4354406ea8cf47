"""The `tidegate` command: one module for each family of verbs; this file only gathers them."""

from __future__ import annotations

import sys

import typer

from worker import __version__
from worker.cli import (
    call,
    deadletter,
    demo,
    doctor,
    eval,
    moderate,
    people,
    policy,
    queue,
    records,
    run,
    schemas,
    serve,
    store,
    webhooks,
)
from worker.core.errors import ClientStuck, TidegateError

app = typer.Typer(
    name="tidegate",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="A streaming moderation worker for message queues.\n\nStart with [bold]tidegate demo[/bold].",
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("serve")(serve.serve)
app.command("moderate")(moderate.moderate)
app.command("call")(call.call)
app.command("eval")(eval.evaluate)
app.command("send")(queue.send)
app.command("watch")(queue.watch)
app.command("explain")(records.explain)
app.command("doctor")(doctor.doctor)
app.command("schemas")(schemas.schemas)
app.add_typer(policy.app, name="policy")
app.add_typer(deadletter.app, name="deadletter")
app.add_typer(store.app, name="store")
app.add_typer(store.audit, name="audit")
app.add_typer(serve.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(records.export, name="export")
app.add_typer(records.appeals, name="appeals")
app.add_typer(people.app, name="people")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options of the command itself."""


def main() -> None:
    """
    Run the command line.

    Exit codes: 0 done; 1 what was asked for did not hold (`--fail-on`, `doctor`); 2 unusable arguments or settings.
    """
    try:
        app()
    except TidegateError as error:
        typer.secho(f"tidegate: {error}", fg="red", err=True)
        sys.exit(1 if isinstance(error, ClientStuck) else 2)
