"""`headscope plan`: several runs one after another, by processes that start and load the model once."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from headscope.analysis.counts import plural
from headscope.analysis.errors import HeadscopeError, InputError
from headscope.analysis.printable import visible
from headscope.cli.carry_out import carry_out
from headscope.cli.handover import Engines
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.run import parsed, requested
from headscope.cli.terminal import Console
from headscope.jobs.request import JobRequest

_OF_ALL = ("store", "workers", "resume")
"""Options of `headscope run` that a line of a plan cannot have."""


@dataclass(frozen=True, slots=True)
class _Step:
    """place: where it stands in the file. asked: as it was written."""

    place: str
    asked: str
    request: JobRequest


def plan(
    file: Annotated[Path, typer.Argument(help="Each line: the options of one `headscope run`. # begins a comment.")],
    store: StoreOption = DEFAULT_STORE,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the work, each with the model.")
    ] = 1,
) -> None:
    """Carry out every line of a plan. All are checked before the first begins; one that fails leaves the others."""
    steps = list(_steps(file))
    if not steps:
        raise InputError(f"{file} asks for nothing: write the options of one `headscope run` on each line.")
    console, failed = Console(stderr=True), 0
    with closing(Engines(workers)) as engines:
        for number, step in enumerate(steps, start=1):
            console.print(Text(f"{number} of {len(steps)}: {visible(step.asked)}", "bold"), soft_wrap=True)
            try:
                carry_out(step.request, store, workers, engines=engines)
            except HeadscopeError as error:
                failed += 1
                said = Text.assemble((f"error: {step.place}: ", "bold red"), visible(str(error)))
                console.print(said, soft_wrap=True)
    if failed:
        console.print(f"{plural(failed, 'line')} of {len(steps)} failed; what the others gave is stored.")
        sys.exit(1)


def _steps(file: Path) -> Iterator[_Step]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the plan {file} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        place = f"{file}, line {number}"
        try:
            words = shlex.split(line, comments=True)
            if words:
                yield _Step(place, shlex.join(words), _request(words))
        except typer.TyperException as error:
            raise InputError(f"{place}: {error.format_message()}") from error
        except (ValueError, HeadscopeError) as error:  # an open quotation mark; what the options ask for cannot be had
            raise InputError(f"{place}: {error}") from error


def _request(words: list[str]) -> JobRequest:
    """What a line asks for. Raises TyperException and HeadscopeError as the command does, before anything is run."""
    given, said = parsed(words)
    for name in _OF_ALL:
        if name in said:
            what = "plans go on by themselves: give the plan again" if name == "resume" else (
                f"it is one for the whole plan: `headscope plan --{name}`")  # fmt: skip
            raise InputError(f"--{name} has no place in a plan; {what}.")
    request = requested(given)
    if request is None:
        raise InputError("a line of a plan asks for prompts: say --prompts.")
    return request
