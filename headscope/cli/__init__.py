"""The command line: `headscope run | plan | jobs | blackbox | serve | detect | false-alarms | score | bias | check |
verify | models | datasets | suites | toxicity | regard | db | sql`. Heavy imports wait until a command needs them, so
that `--help` and typing mistakes answer at once."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.text import Text

from headscope.analysis.errors import HeadscopeError
from headscope.analysis.printable import visible
from headscope.cli import (
    bias,
    blackbox,
    check,
    data,
    detect,
    false_alarms,
    jobs,
    models,
    plan,
    regard,
    run,
    score,
    serve,
    store,
    suite_run,
    suites,
    toxicity,
    verify,
)
from headscope.cli.terminal import Console

app = typer.Typer(
    name="headscope",
    help="Keep everything you measure inside your language models, and look at it together.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"headscope {version('headscope')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None: ...


app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("jobs")(jobs.jobs)
app.command("serve")(serve.serve)
app.command("detect")(detect.detect)
app.command("false-alarms")(false_alarms.false_alarms)
app.command("score")(score.score)
app.command("bias")(bias.bias)
app.command("blackbox")(blackbox.blackbox)
app.command("check")(check.check)
app.command("verify")(verify.verify)
app.command("sql", cls=store.StatementCommand)(store.sql)
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="datasets")
suites.app.command("run")(suite_run.run)
app.add_typer(suites.app, name="suites")
app.add_typer(store.app, name="db")
app.add_typer(toxicity.app, name="toxicity")
app.add_typer(regard.app, name="regard")


def main() -> None:
    """Entry point of `headscope`: an expected error is one clear message on stderr and exit status 1."""
    try:
        app()
    except HeadscopeError as error:
        Console(stderr=True).print(Text.assemble(("error: ", "bold red"), visible(str(error))), soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:  # `headscope sql ... | head`
        sys.stderr.close()
        sys.exit(0)
