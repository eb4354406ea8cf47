"""`python -m ops.chaos`: runs, mutations, and the table of both."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from dataclasses import replace
from typing import Annotated

import typer

from ops.chaos.plan import FAULTS
from ops.chaos.run import Options, Outcome, run
from ops.chaos.scenarios import SCENARIOS, caught
from ops.kafka.nodes import BrokerUnavailable

GUARANTEES = ("at-least-once", "exactly-once")
app = typer.Typer(add_completion=False, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})


def report(outcome: Outcome, *, keep: bool = False) -> bool:
    """Print one run's line, and what was found wrong with where to look; True when all invariants hold."""
    options, verdict = outcome.options, outcome.verdict
    print(
        f"seed={options.seed} guarantee={options.guarantee} {verdict.line()} crashes={len(outcome.ends)} "
        f"peak_mib={outcome.peak_mib} seconds={outcome.seconds:.0f}",
        flush=True,
    )
    for finding in verdict.findings:
        print(f"VIOLATED seed={options.seed} {finding}")
    if verdict.holds and not keep:
        shutil.rmtree(outcome.folder)
    elif not verdict.holds:
        print(f"the workers' logs are in {outcome.folder}")
    return verdict.holds


@app.command()
def main(
    seed: Annotated[int, typer.Option(help="Of load, faults and their times.")] = 1,
    seeds: Annotated[int, typer.Option(help="How many seeds from this one on.")] = 1,
    guarantee: Annotated[str, typer.Option(help="at-least-once, exactly-once or both.")] = "both",
    seconds: Annotated[float, typer.Option(min=5, help="Of load.")] = 30.0,
    events: Annotated[int, typer.Option(min=100, help="Records of the load.")] = 30_000,
    faults: Annotated[str, typer.Option(help="Comma-separated, or all, or each (one run for each alone).")] = "all",
    models: Annotated[str, typer.Option(help="standin, embedded or words.")] = "standin",
    workers: Annotated[int, typer.Option(min=1, help="Workers, where scale is not among the faults.")] = 2,
    mutation: Annotated[str | None, typer.Option(help="Break the workers: the run must then fail.")] = None,
    mutations: Annotated[bool, typer.Option(help="Every mutation by a short run that must catch it.")] = False,
    markdown: Annotated[bool, typer.Option(help="End with a table for the docs.")] = False,
    keep: Annotated[bool, typer.Option(help="Keep the workers' logs of runs that hold.")] = False,
) -> None:
    """
    Hurt real workers on a real Kafka and count every record. Exits with 1 when an invariant does not hold.

    Examples:
      python -m ops.chaos --seed 7
      python -m ops.chaos --seeds 10 --markdown
      python -m ops.chaos --seed 3 --faults kill,zombie --guarantee exactly-once
      python -m ops.chaos --mutations
    """
    if mutations:
        missed = [scenario for scenario in SCENARIOS if not _mutation(*scenario)]
        raise typer.Exit(1 if missed else 0)
    chosen = GUARANTEES if guarantee == "both" else (guarantee,)
    lists = [(kind,) for kind in FAULTS] if faults == "each" else [tuple(FAULTS) if faults == "all" else _named(faults)]
    base = Options(
        seed, seconds=seconds, events=events, workers=workers, models=models, mutation=mutation, faults=lists[0]
    )
    outcomes = []
    for number in range(seed, seed + seeds):
        for kinds in lists:
            for one in chosen:
                options = replace(base, seed=number, guarantee=one, faults=kinds)
                print(f"seed {number}, {one}, {', '.join(kinds)}", file=sys.stderr)
                outcomes.append(asyncio.run(run(options)))
                report(outcomes[-1], keep=keep)
    if markdown:
        print(table(outcomes))
    if not all(outcome.verdict.holds for outcome in outcomes):
        raise typer.Exit(1)


def _mutation(options: Options, wanted: tuple[str, ...]) -> bool:
    """Run one scenario and say whether it was caught."""
    print(f"{options.mutation}, {options.guarantee}, {', '.join(options.faults) or 'no fault'}", file=sys.stderr)
    outcome = asyncio.run(run(options))
    found = caught(outcome, wanted)
    end = f"caught as {', '.join(found)}" if found else "NOT CAUGHT"
    print(f"mutation={options.mutation} guarantee={options.guarantee} {outcome.verdict.line()} {end}", flush=True)
    if found:
        shutil.rmtree(outcome.folder)
    return bool(found)


def _named(faults: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in faults.split(",") if name.strip())
    if unknown := set(names) - set(FAULTS):
        raise typer.BadParameter(f"no such fault: {', '.join(sorted(unknown))}: known are {', '.join(FAULTS)}")
    return names


def table(outcomes: list[Outcome]) -> str:
    """A Markdown row a run."""
    names = ("events", "lost", "doubled", "duplicated", "reordered", "ahead", "mixed_policy", "hanging")
    lines = [f"| seed | guarantee | {' | '.join(names)} | crashes | holds |", "|---" * (len(names) + 4) + "|"]
    for outcome in outcomes:
        counts = outcome.verdict.counts
        cells = [str(outcome.options.seed), outcome.options.guarantee, *(f"{counts[name]:,}" for name in names)]
        lines.append(f"| {' | '.join(cells)} | {len(outcome.ends)} | {'yes' if outcome.verdict.holds else 'NO'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the broker and the workers end too
    try:
        app()
    except BrokerUnavailable as error:
        sys.exit(str(error))
