"""`tidegate run`: the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from worker.core import log

Config = Annotated[Path | None, typer.Option("-c", "--config", help="TOML settings; tidegate.toml here when left out.")]


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """A second signal cancels what runs: exit code 130, as of a program that a signal ended."""
    try:
        yield
    except asyncio.CancelledError:
        raise typer.Exit(130) from None


def run(
    config: Config = None,
    policies: Annotated[Path | None, typer.Option(help="Folder of policies.")] = None,
    transport: Annotated[str | None, typer.Option(help="kafka or sqlite.")] = None,
    bootstrap: Annotated[str | None, typer.Option("--bootstrap-servers", help="Kafka's host:port.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of /healthz, /readyz, /status, /metrics.")] = None,
) -> None:
    """
    Run the worker until SIGTERM, which drains; a second signal stops at once.

    Examples:
      tidegate run -c tidegate.toml
      tidegate run --bootstrap-servers kafka:9092 --policies policies
    """
    from worker.services import run_worker
    from worker.settings import load

    flags = {
        "policies": policies,
        "transport": transport,
        "kafka.bootstrap_servers": bootstrap,
        "http.port": port,
    }
    settings = load(config, flags)
    log.configure(level=settings.log_level)
    with ended_by_signal():
        asyncio.run(run_worker(settings))
