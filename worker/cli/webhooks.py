"""`tidegate webhooks`: decisions posted to their tenants, and those that nobody took."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated

import orjson
import typer

from worker.cli.run import Config
from worker.core import log
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Decisions posted to their tenants, and those that nobody took.")

Tenant = Annotated[str | None, typer.Option(help="Only this tenant's.")]


@app.command("run")
def run(config: Config = None) -> None:
    """
    Post decisions from the topics to the URLs of `[webhooks.tenants]`, until SIGTERM.

    Examples:
      tidegate webhooks run -c tidegate.toml
    """
    from worker.services import run_webhooks
    from worker.settings import load

    settings = load(config)
    if not settings.webhooks.tenants:
        raise ConfigError("no tenant has a webhook: set webhooks.tenants.NAME.url and .secret")
    log.configure(level=settings.log_level)
    asyncio.run(run_webhooks(settings))


@app.command("dead")
def dead(
    config: Config = None,
    tenant: Tenant = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document, with every delivery.")] = False,
) -> None:
    """What was set aside after its last attempt, counted by tenant and why."""
    from worker.settings import load
    from worker.webhooks.outbox import Outbox

    outbox = Outbox(load(config).webhooks.state)
    found, waiting = outbox.dead(tenant), outbox.waiting()
    outbox.close()
    if json:
        rows = [{"decision": d.id, "tenant": d.tenant, "attempts": d.attempts, "why": d.last} for d in found]
        typer.echo(orjson.dumps({"waiting": waiting, "dead": rows}, option=orjson.OPT_INDENT_2).decode())
        return
    for (name, why), count in sorted(Counter((one.tenant, one.last) for one in found).items()):
        typer.echo(f"{name}: {count} set aside: {why}")
    typer.echo(f"{waiting} still to be delivered, {len(found)} set aside")


@app.command("redrive")
def redrive(config: Config = None, tenant: Tenant = None) -> None:
    """Deliver what was set aside, with all its attempts again."""
    from worker.settings import load
    from worker.webhooks.outbox import Outbox

    outbox = Outbox(load(config).webhooks.state)
    count = outbox.redrive(int(SystemClock().wall() * 1000), tenant)
    outbox.close()
    typer.echo(f"{count} are due again")
