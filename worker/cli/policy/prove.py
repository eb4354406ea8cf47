"""`tidegate policy prove`: what holds of policies for every possible score, and what breaks it where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from worker.policy.tools.claims import Counterexample, Proof

_MARKS = {"true": ("TRUE     ", "green"), "false": ("FALSE    ", "red"), "unproved": ("UNPROVED ", "yellow")}
_INDENT = " " * 9


def prove(
    policy: Annotated[str, typer.Argument(help="A policy's id or file.")],
    other: Annotated[str | None, typer.Argument(help="Another, which should never be laxer.")] = None,
    policies: Annotated[Path, typer.Option(help="Folder of policies.")] = Path("policies"),
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """
    Prove claims over all possible scores and contexts, or show the score that breaks them.

    With two policies: the second blocks everything that the first blocks, and
    flags what it flags, list hits included. Of each: no child is looser than
    its parent. Exit code 1 unless every claim is true.

    Examples:
      tidegate policy prove acme
      tidegate policy prove default kids-game
      tidegate policy prove policies/acme.json drafts/acme.json --json
    """
    from worker.cli.policy.choice import chosen, models_for_points
    from worker.policy.tools.loading import points_of
    from worker.policy.tools.prove import prove as claims
    from worker.policy.tools.prove import side

    named = [chosen(name, policies) for name in (policy, other) if name is not None]
    models = models_for_points(named)
    same = len({policy_id for _, policy_id in named}) < len(named)  # two versions of one: each goes by its file
    sides = []
    for called, (folder, policy_id) in zip((policy, other or ""), named, strict=False):
        resolved = folder.resolved(policy_id)
        compiled = folder.compiled(policy_id, models.concepts if models else None)
        points = points_of(resolved, models.concepts) if models else None
        sides.append(side(resolved, compiled, points, called if same else None))
    proofs = list(claims(*sides))
    if json:
        document = {"version": 1, "proofs": [proof.as_json() for proof in proofs]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False, soft_wrap=True)
        for proof in proofs:
            _print(console, proof)
    if any(proof.answer != "true" for proof in proofs):
        raise typer.Exit(1)


def _print(console: Console, proof: Proof) -> None:
    console.print(Text.assemble(_MARKS[proof.answer], proof.claim))
    if proof.because:
        console.print(f"{_INDENT}{proof.because}", style="dim")
    if proof.counterexample is not None:
        _print_example(console, proof.counterexample)
    for assumption in proof.assumes:
        console.print(f"{_INDENT}taken for granted: {assumption}", style="dim")


def _print_example(console: Console, shown: Counterexample) -> None:
    """The score or hit, where it comes from, and what each side makes of it."""
    what = f"a hit of {shown.hit}, in {shown.category}" if shown.hit else f"{shown.category} scored {shown.score:g}"
    console.print(f"{_INDENT}{what}, for {shown.type}")
    if shown.world is not None and (shown.world.context or shown.world.stream):
        words = shown.world.words()
        said = [f"{name} {orjson.dumps(words[name]).decode()}" for name in ("context", "stream") if words.get(name)]
        console.print(f"{_INDENT}with {', '.join(said)}")
    elif shown.world is None:
        for source, outcome in shown.outcomes.items():
            console.print(f"{_INDENT}where `{source}` {'fails' if outcome is None else f'is {str(outcome).lower()}'}")
    if shown.actions:
        acts = ", ".join(f"{name}: {action}" for name, action in shown.actions.items())
        console.print(f"{_INDENT}{acts}" + (" (asked and confirmed)" if shown.confirmed else ""))
