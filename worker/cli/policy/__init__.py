"""`tidegate policy`: one module for each verb; this file only gathers them."""

from __future__ import annotations

import typer

from worker.cli.policy import backtest, candidate, diff, explain, lint, prove, schema, sign, test, tune
from worker.cli.policy import hash as hash_

app = typer.Typer(
    no_args_is_help=True,
    help="Check, test, explain and compare policies, and try a change before it is live.",
)
# In the order in which a change goes through them, as help shows them.
app.command("lint")(lint.lint)
app.command("test")(test.run_cases)
app.command("explain")(explain.explain)
app.command("diff")(diff.diff)
app.command("prove")(prove.prove)
app.command("backtest")(backtest.backtest)
app.command("tune")(tune.tune)
app.command("candidate")(candidate.candidate)
app.command("sign")(sign.sign)
app.command("hash")(hash_.hash_pictures)
app.command("schema")(schema.schema)
