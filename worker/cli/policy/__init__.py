"""`tidegate policy`: one module for each verb; this file only gathers them."""

from __future__ import annotations

import typer

from worker.cli.policy import backtest, candidate, diff, explain, lint, prove, schema, sign, test, tune
from worker.cli.policy import hash as hash_

app = typer.Typer(
    no_args_is_help=True,
    help="Check, test, explain and compare policies, and try a change before it is live.",
)
app.command("lint")(lint.lint)
app.command("backtest")(backtest.backtest)
app.command("diff")(diff.diff)
app.command("candidate")(candidate.candidate)
app.command("hash")(hash_.hash_pictures)
app.command("tune")(tune.tune)
app.command("prove")(prove.prove)
app.command("test")(test.run_cases)
app.command("explain")(explain.explain)
app.command("schema")(schema.schema)
app.command("sign")(sign.sign)
