"""`tidegate moderate`: one-shot, through the very pipeline that `run` uses."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from worker.cli import show
from worker.core import log
from worker.core.decisions import Action
from worker.core.errors import ConfigError
from worker.core.records import Outgoing, Route

_KINDS = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif"), "image"),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".opus", ".mp3"), "audio"),
    **dict.fromkeys((".txt", ".md"), "text"),
}


def kind_of(path: Path) -> str:
    """Type of part that a file becomes; raises ConfigError for a name that says none."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(f"{path}: no kind of file this reads: use one of {' '.join(sorted(_KINDS))}")
    return kind


def event_of_file(path: Path, tenant: str) -> dict[str, Any]:
    """An event.v1 of one picture, sound or text file; its name is its id."""
    kind = kind_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    part: dict[str, Any] = {"type": kind}
    if kind == "text":
        part["text"] = content.decode("utf-8", "replace")
    else:
        part["data"] = base64.b64encode(content).decode()
    return {"id": path.name, "tenant": tenant, "parts": [part]}


def _lines(text: list[str], files: list[Path], events: str | None, tenant: str) -> Iterator[bytes]:
    for i, one in enumerate(text):
        yield orjson.dumps({"id": f"text-{i + 1}", "tenant": tenant, "parts": [{"type": "text", "text": one}]})
    for path in files:
        yield orjson.dumps(event_of_file(path, tenant))
    if events == "-":
        yield from sys.stdin.buffer
    elif events is not None:
        try:
            with Path(events).open("rb") as source:
                yield from source
        except OSError as error:
            raise ConfigError(f"{events}: cannot be read: {error.strerror}") from None


def _check(files: list[Path], events: str | None) -> None:
    """Refuse before seconds of loading models what would be refused after it."""
    for path in files:
        kind_of(path)
    for path in [*files, *([] if events in (None, "-") else [Path(str(events))])]:
        if not path.is_file():
            raise ConfigError(f"{path}: no such file: give one that is there")


class _Printer:
    """Prints each answer as it comes and remembers the strictest."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._out = sys.stdout.buffer
        self.decisions: list[dict[str, Any]] = []
        self.strictest = Action.ALLOW
        self.dead = 0

    def __call__(self, record: Outgoing) -> None:
        if record.route is Route.DEAD_LETTER:
            self._dead_letter(record)
            return
        headers = dict(record.headers)
        self.strictest = max(self.strictest, Action.parse(headers["action"].decode()))
        if self._as_json:
            self._out.write((record.value or b"") + b"\n")
            self._out.flush()
        else:
            self.decisions.append(orjson.loads(record.value or b"{}"))

    def _dead_letter(self, record: Outgoing) -> None:
        self.dead += 1
        headers = dict(record.headers)
        reason = headers["__connect.errors.exception.message"].decode()
        code = headers["tidegate-code"].decode()
        if self._as_json:
            line = {"error": {"code": code, "reason": reason}, "line": record.source.offset + 1}
            self._out.write(orjson.dumps(line) + b"\n")
            self._out.flush()
        else:
            typer.secho(f"line {record.source.offset + 1} is no event: {reason}", fg="red", err=True)


def moderate(
    text: Annotated[list[str] | None, typer.Argument(help="Texts to judge.")] = None,
    file: Annotated[list[Path] | None, typer.Option("--file", help="A picture, sound or text file; repeat it.")] = None,
    events: Annotated[str | None, typer.Option(help="A file of event.v1 lines, or - for standard input.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose policy judges texts and files.")] = "demo",
    policies: Annotated[Path | None, typer.Option(help="Folder of policies.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML settings.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One decision.v1 a line, in input order.")] = False,
    fail_on: Annotated[str | None, typer.Option(help="flag or block: exit 1 when a decision is that strict.")] = None,
) -> None:
    """
    Judge texts, files or event lines, and print the decisions.

    Examples:
      tidegate moderate "have a nice day" "I will find you and hurt you"
      tidegate moderate --file picture.png --tenant kids-game
      tidegate moderate --events events.jsonl --json > decisions.jsonl
    """
    from worker.app import judge_lines
    from worker.settings import load

    if not (text or file or events):
        raise typer.BadParameter("give a text, --file or --events")
    if fail_on not in (None, "flag", "block"):
        raise typer.BadParameter("--fail-on takes flag or block")
    _check(file or [], events)
    settings = load(config, {"policies": policies})
    log.configure(level="warning")
    printer = _Printer(json)
    asyncio.run(judge_lines(settings, _lines(text or [], file or [], events, tenant), printer))
    if not json:
        table = show.table()
        for decision in printer.decisions:
            table.add_row(*show.row(decision))
        if printer.decisions:
            Console().print(table)
    if fail_on and printer.strictest >= Action.parse(fail_on):
        raise typer.Exit(1)
