"""`tidegate explain`, `export` and `appeals`: what users, reviewers, auditors and regulators may ask for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console

from worker.cli.run import Config
from worker.cli.since import since_ms
from worker.cli.store import Folder, Json, folder_of
from worker.core import log
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.policy.compile import CompiledPolicy
    from worker.policy.tools.statement import Statement
    from worker.store.appeals import Overturned

export = typer.Typer(no_args_is_help=True, help="Records in the form that others ask for.")
appeals = typer.Typer(no_args_is_help=True, help="What became of appeals, and what is to be learnt from them.")

Log = Annotated[list[str] | None, typer.Option("--log", help="A file of decision.v1 lines in place of a store.")]
Policies = Annotated[Path, typer.Option(help="Folder of policies.")]
Was = Annotated[list[Path] | None, typer.Option(help="Folder with policies as they were then; repeat it.")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant's decisions.")]
Since = Annotated[str | None, typer.Option(help="30m, 6h, 7d, or a time such as 2026-11-23T10:00:00Z.")]
_READERS = ("user", "reviewer", "auditor")


def explain(
    decision: Annotated[str, typer.Argument(help="The decision's id, or its event's.")],
    reader: Annotated[str, typer.Option("--for", help="user, reviewer or auditor.")] = "user",
    config: Config = None,
    store: Folder = None,
    source: Log = None,
    policies: Policies = Path("policies"),
    was: Was = None,
    redress: Annotated[str | None, typer.Option(help="What a user can do now, in place of the usual words.")] = None,
) -> None:
    """
    Say why a decision was taken, for who asks.

    user: a paragraph in plain words, without scores. reviewer: the tree with
    scores, thresholds, margins and what would change it. auditor: the whole
    record as JSON, with the tree and its place in the store's chain.

    Examples:
      tidegate explain d-5f0c… --for user --store decisions
      tidegate explain msg-17 --for auditor --log decisions.jsonl
    """
    from worker.cli.policy.explain import explained, show_tree
    from worker.policy.tools.loading import open_folder
    from worker.policy.tools.plain_words import REDRESS, plain_words

    if reader not in _READERS:
        raise typer.BadParameter(f"--for takes {', '.join(_READERS)}")
    log.configure(level="error")
    said, place = _find(decision, source, None if source else folder_of(store, config))
    if reader == "user":
        policy = _known(policies, was).get(said["policy"]["digest"])
        stated = {}
        if policy is not None:
            paths = {reason["category"] for reason in said["reasons"]}
            stated = {path: dsa for path in paths & set(policy.categories) if (dsa := policy.dsa(path)) is not None}
        typer.echo(plain_words(said, stated, redress or REDRESS))
        return
    told, why = explained(said, open_folder(policies), None)
    if reader == "reviewer":
        show_tree(Console(highlight=False), told, why, everything=True)
        return
    document = {"version": 1, "decision": said, "notes": told.notes, "tree": why.as_json(), "store": place}
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


@export.command("dsa")
def dsa(
    out: Annotated[Path, typer.Argument(help="Folder for the batches: dsa-0001.json and on.")],
    config: Config = None,
    store: Folder = None,
    source: Log = None,
    policies: Policies = Path("policies"),
    was: Was = None,
    tenant: Tenant = None,
    since: Since = None,
    json: Json = False,
) -> None:
    """
    Statements of reasons for the EU's Transparency Database, one for each block, in batches of 100.

    What they say of a category comes from its `dsa` in the policy that
    decided; all else from the decision. Each is validated by the database's
    own rules. Blocks of which none can be made are named with what is missing,
    and the exit code is 1.

    Examples:
      tidegate export dsa statements --store decisions --since 1d
      tidegate export dsa statements --log decisions.jsonl --was last-week
    """
    from worker.policy.tools.statements import NoStatement, statement_of

    log.configure(level="error")
    known = _known(policies, was)
    earliest = since_ms(since) if since else 0
    made, lacking = [], list[NoStatement]()
    for said in _decisions(source, None if source else folder_of(store, config), tenant, earliest):
        found = statement_of(said, known)
        if isinstance(found, NoStatement):
            lacking.append(found)
        elif found is not None:
            made.append(found)
    written = _write(out, made)
    if json:
        missing = [{"decision": one.decision, "why": one.why} for one in lacking]
        about = {"statements": len(made), "files": [str(path) for path in written], "missing": missing}
        typer.echo(orjson.dumps(about, option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo(f"{len(made)} statements in {len(written)} files in {out}")
        for why, count in Counter(one.why for one in lacking).most_common():
            example = next(one.decision for one in lacking if one.why == why)
            typer.secho(f"{count} blocks without a statement: {why} (e.g. {example})", fg="yellow", err=True)
    if lacking:
        raise typer.Exit(1)


def _write(out: Path, statements: Sequence[Statement]) -> list[Path]:
    from worker.policy.tools.statements import batches

    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, body in enumerate(batches(statements), 1):
            path = out / f"dsa-{number:04d}.json"
            path.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
            written.append(path)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from None
    return written


@appeals.command("rates")
def rates(
    config: Config = None,
    store: Folder = None,
    tenant: Tenant = None,
    kind: Annotated[str, typer.Option(help="appeal, or review: what reviewers said.")] = "appeal",
    json: Json = False,
) -> None:
    """
    How many decisions were overturned: by node, by model, by language, with 95 % intervals.

    Examples:
      tidegate appeals rates --store decisions
    """
    from worker.store.appeals import joined, overturned
    from worker.store.reading import DecisionStore

    if kind not in ("appeal", "review"):
        raise typer.BadParameter("--kind takes appeal or review")
    found = overturned(joined(DecisionStore(folder_of(store, config)), kind, tenant))
    if json:
        typer.echo(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode())
        return
    _show(found, kind)


def _show(found: Overturned, kind: str) -> None:
    typer.echo(f"{found.all.of} decisions with a {kind}, {found.all.count} overturned: {found.all}")
    for what, shares in found.by.items():
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1].value):
            typer.echo(f"  {what} {name}: {share.count} of {share.of}, {share}")


@appeals.command("tests")
def cases_(
    config: Config = None,
    store: Folder = None,
    tenant: Tenant = None,
    policies: Policies = Path("policies"),
) -> None:
    """
    Upheld appeals as cases for the policy's `tests`, as JSON.

    A case holds what the person wrote, so the text is read from the input topic
    now, as long as it is there. Events with more than one text, pictures or
    sound make no case, nor does content of a `restricted` category: it is shown
    in no tool.

    Examples:
      tidegate appeals tests -c tidegate.toml --tenant acme
    """
    from worker.cli.appeal_cases import cases
    from worker.settings import load
    from worker.store.appeals import joined
    from worker.store.reading import DecisionStore

    log.configure(level="error")
    folder = folder_of(store, config)
    upheld = [one for one in joined(DecisionStore(folder), "appeal", tenant) if one.overturned]
    found = asyncio.run(cases(load(config), upheld, policies))
    typer.echo(orjson.dumps(found.tests, option=orjson.OPT_INDENT_2).decode())
    for why, count in found.left_out.most_common():
        typer.secho(f"{count} upheld appeals make no case: {why}", fg="yellow", err=True)


def _known(policies: Path, was: Sequence[Path] | None) -> dict[str, CompiledPolicy]:
    from worker.policy.tools.loading import by_digest, open_folder

    return by_digest([open_folder(path) for path in (policies, *(was or ()))])


def _find(wanted: str, source: Sequence[str] | None, folder: Path | None) -> tuple[dict[str, Any], Any]:
    """The decision, and where it stands in the store."""
    if folder is not None:
        from worker.store.audit import place_of
        from worker.store.reading import DecisionStore

        row = DecisionStore(folder).get(wanted)
        if row is not None:
            return row.decision, place_of(folder, row)
    else:
        for said in _decisions(source, None, None, 0):
            if wanted in (said["id"], said["event_id"]):
                return said, None
    raise ConfigError(f"no decision {wanted!r} in {folder or ', '.join(source or ())}: give its id, or its event's")


def _decisions(
    source: Sequence[str] | None, folder: Path | None, tenant: str | None, earliest: int
) -> Iterator[dict[str, Any]]:
    """Of the logs, else of the store."""
    from worker.policy.tools.decisions_log import blocks, decision, lines
    from worker.store.reading import DecisionStore, Query
    from worker.store.row import found_in

    if folder is not None:
        for row in DecisionStore(folder).walk(Query(tenant=tenant, since_ms=earliest)):
            yield row.decision
        return
    for block, _ in blocks(list(source or ())):
        for line in lines(block):
            columns, said = found_in(line), decision(line)
            if columns is None or said is None or columns.time_ms < earliest or tenant not in (None, columns.tenant):
                continue
            yield said
