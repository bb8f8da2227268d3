"""`headscope` as a user types it: in this process where that makes no difference, in one of its own where it does.

A process of its own pays for importing torch each time: it is for signals, for locks between processes, and for the
commands that the documentation shows.
"""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import typer.main

HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
GUARD = 240
"""Seconds until a process that hangs is given up."""

PARSER = functools.cache(typer.main.get_command)
"""Of all commands, made once: it takes as long as many a command."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def headscope(*arguments: str, stdin: str = "") -> Done:
    """Run a command in this process; what it changes of the process is put back."""
    from headscope.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    source = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    code: object = 0
    with (
        _signals(), mock.patch.object(typer.main, "get_command", PARSER),
        mock.patch.object(sys, "argv", ["headscope", *arguments]), mock.patch.object(sys, "stdin", source),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        try:
            main()
        except SystemExit as end:
            code = end.code
    status = code if isinstance(code, int) else int(code is not None)
    return Done(status, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def headscope_process(
    *arguments: str, stdin: str = "", cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [HEADSCOPE, *arguments], input=stdin, capture_output=True, text=True, timeout=GUARD, check=False, cwd=cwd,
        env=env,
    )  # fmt: skip
