"""`tidegate doctor`: what is wrong with configuration, queue, policies, models or device, and how to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import orjson
import typer
from rich.console import Console

from worker.cli.keying import look_at_keying
from worker.cli.run import Config
from worker.core import log
from worker.core.clock import SystemClock
from worker.core.errors import TidegateError
from worker.settings import Settings, load

Finding = tuple[str, bool, str]  # what was looked at, whether it is well, what was found or how to mend it


def doctor(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Findings as one JSON document.")] = False,
    skip_models: Annotated[bool, typer.Option(help="Do not load the models.")] = False,
) -> None:
    """
    Check everything `run` needs, and say how to mend what is wrong. Exit code 1 when something is.

    Examples:
      tidegate doctor -c tidegate.toml
      tidegate doctor --json --skip-models
    """
    log.configure(level="error")
    findings = asyncio.run(_examine(config, skip_models))
    if json:
        rows = [{"check": name, "ok": ok, "detail": detail} for name, ok, detail in findings]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console()
        for name, ok, detail in findings:
            mark = "[green]ok  [/green]" if ok else "[red]fail[/red]"
            console.print(f"{mark} [bold]{name:<10}[/bold] {detail}", highlight=False, soft_wrap=True)
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(1)


async def _examine(config: Config, skip_models: bool) -> list[Finding]:
    try:
        settings = load(config)
    except TidegateError as error:
        return [("settings", False, str(error))]
    findings: list[Finding] = [("settings", True, f"transport {settings.transport}, delivery {settings.delivery}")]
    checks: list[tuple[str, Callable[[Settings], Awaitable[str]]]] = [("queue", _queue), ("keys", look_at_keying)]
    if not skip_models:
        checks.append(("models", _models))
    checks += [("device", _device), ("policies", _policies)]
    for name, check in checks:
        try:
            findings.append((name, True, await check(settings)))
        except TidegateError as error:
            findings.append((name, False, str(error)))
    return findings


async def _queue(settings: Settings) -> str:
    from worker.app import make_tail

    topics = (settings.topics.events, *settings.topics.outputs)
    tail = make_tail(settings, topics, from_beginning=False)
    try:
        await tail.start()
    finally:
        await tail.stop()
    return f"{settings.transport} answers; topics {', '.join(topics)} are there"


async def _models(settings: Settings) -> str:
    from worker.app import load_models

    models = await asyncio.to_thread(load_models, settings.models.model_dump(), lambda what, done, of: None)
    return "loaded with pinned digests: " + ", ".join(ref.name for ref in models.refs)


async def _device(settings: Settings) -> str:
    from worker.score.profile import device_in_use

    return device_in_use(settings.models.device)


async def _policies(settings: Settings) -> str:
    from worker.app import make_policy_source
    from worker.policy.safeguards import safeguards
    from worker.policy.store import PolicyStore
    from worker.score.profile import Models

    source = make_policy_source(settings)
    signed = safeguards(settings.policy_source, own_tests=None, state=None)
    store = PolicyStore(source, Models().concepts, SystemClock(), safeguards=signed)
    try:
        await store.load()
    finally:
        await source.stop()
    broken = [f"{status.id}: {status.error}" for status in store.status() if status.error]
    if broken:
        raise TidegateError("; ".join(broken))
    statuses = store.status()
    return f"{len(statuses)} policies in {settings.policies}: " + ", ".join(status.id for status in statuses)
