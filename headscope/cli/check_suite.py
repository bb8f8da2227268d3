"""`headscope check --suite FILE`: tests of behaviour, run over a model and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table
from rich.text import Text

from headscope.analysis.printable import visible
from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.behaviour_tests import KINDS, Outcome, TestResult
from headscope.analysis.statistics.check_rules import Verdict
from headscope.cli.carry_out import carry_out
from headscope.cli.terminal import Console
from headscope.jobs.check_junit import junit
from headscope.jobs.check_report import LONGEST
from headscope.jobs.regression import LISTED
from headscope.jobs.request import JobRequest
from headscope.storage.rows import Offences

if TYPE_CHECKING:
    from headscope.storage.notebook import Notebook


@dataclass(frozen=True, slots=True)
class Judged:
    """A test with its verdict, and the examples that failed, the furthest from passing first."""

    result: TestResult
    verdict: Verdict
    failures: tuple[Outcome, ...]


def run(path: Path, model: str, fail_on: str, store: str, *, show_offensive: bool) -> list[Judged]:
    """Run what the store has not, and judge every test of the kinds in `fail_on` (all of them without)."""
    from headscope.datasets import behaviour_suites as files
    from headscope.jobs.behaviour_suites import results
    from headscope.storage.notebook import Notebook

    rules = check_rules.parse(fail_on, KINDS, 1.0) if fail_on else ()
    suite = files.read(path)
    carry_out(JobRequest(suite.name, model, suite.prompt_set, ()), store, 1)
    allowed = {rule.name: rule.allowed for rule in rules}
    with Notebook(store, frame="arrow") as book:  # here, or through the server that holds the file
        found = results(book.measures(experiment=suite.name, prompt_set=suite.prompt_set.name), suite, model)
        chosen = [result for result in found if not rules or result.test.kind in allowed]
        return [_judged(result, allowed, book, show_offensive) for result in chosen]


def _judged(result: TestResult, allowed: Mapping[str, float], store: Notebook, show_offensive: bool) -> Judged:
    failed = sorted((item for item in result.outcomes if item.passed is False), key=lambda item: -item.short)
    why = {} if show_offensive else store.offensive([run_id for item in failed for run_id in item.runs])
    return Judged(result, result.verdict(allowed), tuple(_covered(item, why) for item in failed))


def _covered(item: Outcome, why: Offences) -> Outcome:
    """The same without what is offensive in it."""
    parts = {name: part for run_id in item.runs for name, part in why.get(run_id, {}).items()}
    if "prompt" in parts:
        text = f"[covered: {parts['prompt'].said}]"
        item = replace(item, example=replace(item.example, text=text, changed=item.example.changed and text))
    return replace(item, said=f"[covered: {parts['continuation'].said}]") if "continuation" in parts else item


def link(item: Outcome, server: str) -> str:
    """The run of an example, or both side by side."""
    one, *other = item.runs
    return f"{server}/compare?a={one}&b={other[0]}" if other else f"{server}/run?id={one}"


def print_as(form: str, found: Sequence[Judged], title: str, server: str) -> None:
    """Table, JSON or JUnit XML."""
    if form == "json":
        typer.echo(json.dumps({"suite": title, "tests": [_plain(item, server) for item in found]}))
    elif form == "junit":
        typer.echo(junit(title, [item.verdict for item in found], _report(found, server)))
    else:
        _print_table(found, server)


def _plain(item: Judged, server: str) -> dict[str, Any]:
    """As JSON has it; `passed` is null where nothing was measured."""
    verdict, result = item.verdict, item.result
    failures = [
        {"text": one.example.text, "changed": one.example.changed or None, "target": one.example.target,
         "says": one.said, "short": one.short, "link": link(one, server)}
        for one in item.failures
    ]  # fmt: skip
    passed = None if verdict.failed is None else not verdict.failed
    return {"name": result.test.name, "kind": result.test.kind, "n": result.n, "failed": result.failed,
            "passed": passed, "said": verdict.said, "failures": failures}  # fmt: skip


def _report(found: Sequence[Judged], server: str) -> Iterator[str]:
    for item in found:
        if item.failures:
            yield item.verdict.said
            yield from _lines(item.failures, server)


def _lines(failures: Sequence[Outcome], server: str) -> Iterator[str]:
    for item in failures:
        texts = [text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
                 for text in (item.example.text, item.example.changed) if text]  # fmt: skip
        yield f"{' / '.join(map(repr, texts))}: {item.said}, {item.short:.2f} short"
        yield f"  {link(item, server)}"


def _print_table(found: Sequence[Judged], server: str) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("test", "kind", "failed", "of", ""):
        table.add_column(heading, justify="right" if heading in ("failed", "of") else "left", overflow="fold")
    words = {True: Text("fails", style="bold red"), False: Text("passes", style="green"), None: Text("not measured")}
    for item in found:
        result = item.result
        name = visible(result.test.name)
        table.add_row(Text(name), result.test.kind, str(result.failed), str(result.n), words[item.verdict.failed])
    console.print(table)
    for item in found:
        if item.failures:
            more = f", the first {LISTED}" if len(item.failures) > LISTED else ""
            console.print(Text(f"\n{visible(item.verdict.said)}{more}"), soft_wrap=True)
            for line in _lines(item.failures[:LISTED], server):
                console.print(Text(f"  {visible(line)}"), soft_wrap=True)
