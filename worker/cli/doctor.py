"""
`tidegate doctor`: what is wrong with configuration, queue, policies, models or device, and how to mend it.

The checks and their words are the runbook's (`worker/core/runbook.py`, docs/operations.md).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
import typer
from rich.console import Console

from worker.cli.keying import look_at_keying
from worker.cli.run import Config
from worker.core import log
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError, TidegateError
from worker.core.runbook import CHECKS, entry
from worker.settings import Settings, load

Finding = tuple[str, bool, str]  # what was looked at, whether it is well, what was found
_SOON = timedelta(days=14)  # a certificate that ends within it is named


def doctor(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Findings as one JSON document.")] = False,
    skip_models: Annotated[bool, typer.Option(help="Do not load the models.")] = False,
    explain: Annotated[
        str | None, typer.Option(help="Say what a check, an alert or a code means and what to do; check nothing.")
    ] = None,
) -> None:
    """
    Check everything `run` needs, and say how to mend what is wrong. Exit code 1 when something is.

    Examples:
      tidegate doctor -c tidegate.toml
      tidegate doctor --json --skip-models
      tidegate doctor --explain TidegateLag
      tidegate doctor --explain image_truncated
    """
    if explain is not None:
        _explain(explain)
        return
    log.configure(level="error")
    findings = asyncio.run(_examine(config, skip_models))
    if json:
        rows = [
            {"check": name, "ok": ok, "detail": detail, "do": None if ok else CHECKS[name].do}
            for name, ok, detail in findings
        ]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console()
        for name, ok, detail in findings:
            mark = "[green]ok  [/green]" if ok else "[red]fail[/red]"
            console.print(f"{mark} [bold]{name:<10}[/bold] {detail}", highlight=False, soft_wrap=True)
            if not ok:
                console.print(f"     {'':<10} [dim]{CHECKS[name].do}[/dim]", highlight=False, soft_wrap=True)
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(1)


def _explain(name: str) -> None:
    """The runbook's line. Raises ConfigError for a name that is not in it."""
    found = entry(name)
    if found is None:
        raise ConfigError(f"the runbook has no {name}: docs/operations.md lists its checks, alerts and codes")
    kind, line = found
    typer.echo(f"{name} ({kind}): {line.means}\n{line.do}")


async def _examine(config: Config, skip_models: bool) -> list[Finding]:
    try:
        settings = load(config)
    except TidegateError as error:
        return [("settings", False, str(error))]
    findings: list[Finding] = [("settings", True, f"transport {settings.transport}, delivery {settings.delivery}")]
    checks: list[tuple[str, Callable[[Settings], Awaitable[str]]]] = [
        ("secrets", _secrets),
        ("queue", _queue),
        ("outputs", _outputs),
        ("keys", look_at_keying),
    ]
    if not skip_models:
        checks.append(("models", _models))
    checks += [("device", _device), ("policies", _policies), ("state", _state)]
    for name, check in checks:
        try:
            findings.append((name, True, await check(settings)))
        except TidegateError as error:
            findings.append((name, False, str(error)))
    return findings


async def _secrets(settings: Settings) -> str:
    from worker.transport.kafka_security import Credentials, certificate_ends

    if settings.transport != "kafka":
        return "none are needed for a SQLite file"
    Credentials(settings.kafka)
    said = [f"{settings.kafka.security_protocol}: {len(settings.kafka.secret_files)} files can be read"]
    for path in (settings.kafka.ssl_ca_location, settings.kafka.ssl_certificate_location):
        if path is None:
            continue
        ends = certificate_ends(path)
        if ends < datetime.now(UTC) + _SOON:
            raise ConfigError(f"the certificate {path} ends on {ends:%Y-%m-%d}")
        said.append(f"{path} ends on {ends:%Y-%m-%d}")
    return "; ".join(said)


async def _outputs(settings: Settings) -> str:
    from worker.transport.kafka_ends import topic_partitions

    if settings.transport != "kafka":
        return "the topics of a SQLite file have the same number of partitions"
    topics = (settings.topics.events, *settings.topics.outputs)
    counts = await topic_partitions(settings.kafka, topics)
    of = counts[settings.topics.events]
    fewer = [f"{topic} has {counts[topic]}" for topic in topics if counts[topic] < of]
    if fewer:
        raise ConfigError(f"{settings.topics.events} has {of} partitions, and {', '.join(fewer)}")
    return f"{of} partitions each, or more"


async def _state(settings: Settings) -> str:
    place = next(folder for folder in (settings.state, *settings.state.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ConfigError(f"{settings.state} cannot be written: {place} is not ours to write to")
    return f"{settings.state} can be written"


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
