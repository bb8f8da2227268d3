"""`headscope check`: has a model become worse, does it pass its tests? For a person or for CI."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headscope.analysis.models.embedded import NAME as EMBEDDED
from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.behaviour_tests import KINDS
from headscope.cli.options import DEFAULT_STORE, ShowOffensive, StoreOption

if TYPE_CHECKING:
    from headscope.jobs.regression import Checked

REGRESSION = 3
"""Exit status of a regression; 1 is an error, 2 a wrong option."""
SECONDS = 600
"""A server may be at work."""


class Report(StrEnum):
    """How to print the comparison."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


def check(
    baseline: Annotated[str, typer.Option(help="The experiment to measure against: NAME or NAME@MODEL.")] = "",
    candidate: Annotated[str, typer.Option(help="The experiment in question: NAME or NAME@MODEL.")] = "",
    suite: Annotated[
        Path | None, typer.Option(help="Instead of two experiments: a file of behaviour tests to run over --model.")
    ] = None,
    model: Annotated[str, typer.Option(help="With --suite: a model's name or folder.")] = EMBEDDED,
    fail_on: Annotated[
        str,
        typer.Option(
            help=f"What counts as a regression, NAME or NAME:ALLOWED: {', '.join(check_rules.RULES)}; "
            f"with --suite: {', '.join(KINDS)}.",
            show_default=f"{','.join(check_rules.DEFAULT)}; with --suite what the file allows",
        ),
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    server: Annotated[str, typer.Option(help="Where links to the runs point.")] = "http://127.0.0.1:8050",
    output: Annotated[Report, typer.Option("--format", help="How to print the comparison.")] = Report.TABLE,
    show_offensive: ShowOffensive = False,
) -> None:
    """Compare two experiments prompt by prompt, or run a suite of tests over a model; exit status 3 when the candidate
    is worse, or a test fails."""
    server = server.rstrip("/")
    if suite is not None:
        if baseline or candidate:
            raise typer.BadParameter("--suite runs a model by itself: leave out --baseline and --candidate.")
        broken = _suite(suite, model, fail_on, store, server, output, show_offensive)
    elif not (baseline and candidate):
        raise typer.BadParameter("say --baseline and --candidate, or --suite FILE.")
    else:
        broken = _compare(baseline, candidate, fail_on, store, server, output, show_offensive)
    raise typer.Exit(REGRESSION if broken else 0)


def _suite(path: Path, model: str, fail_on: str, store: str, server: str, output: Report, show_offensive: bool) -> bool:
    from headscope.cli import check_suite

    found = check_suite.run(path, model, fail_on, store, show_offensive=show_offensive)
    check_suite.print_as(output.value, found, path.stem, server)
    return any(item.verdict.failed for item in found)


def _compare(
    baseline: str, candidate: str, fail_on: str, store: str, server: str, output: Report, show_offensive: bool
) -> bool:
    from headscope.cli.check_shown import print_table
    from headscope.jobs.check_document import document
    from headscope.jobs.check_report import as_junit

    checked = _checked(store, baseline, candidate, fail_on, show_offensive)
    if output is Report.JSON:
        typer.echo(document(checked, server))
    elif output is Report.JUNIT:
        typer.echo(as_junit(checked, server))
    else:
        print_table(checked, server)
    return bool(checked.regressions)


def _checked(url: str, baseline: str, candidate: str, fail_on: str, show_offensive: bool) -> Checked:
    """Worked out here, or by the server that holds the file."""
    from headscope.jobs import check_document, regression
    from headscope.storage.repository import Store
    from headscope.storage.served import server_of

    asked = {"baseline": baseline, "candidate": candidate, "fail_on": fail_on}
    if (holder := server_of(url)) is not None:
        body = {**asked, "show_offensive": show_offensive}
        return check_document.from_json(holder.call("POST", "/api/v1/check", body, SECONDS).json())
    with Store.open(url, create=False) as store:
        return regression.check(store, **asked, show_offensive=show_offensive)
