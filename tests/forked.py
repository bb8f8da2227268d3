"""`headscope` in a process of its own that need not import torch anew: forked from one that has.

For the commands that the documentation shows: there are many, and importing is most of what each would cost.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cli import GUARD, Done

PRELOADED = [
    "headscope.cli",
    "headscope.analysis.backends.hf_causal",
    "headscope.analysis.engines.inline",
    "headscope.storage.repository",
]
STREAMS = ("stdin", "stdout", "stderr")


def headscope_forked(*arguments: str, stdin: str, cwd: Path, env: Mapping[str, str], folder: Path) -> Done:
    """Run a command as if typed in `cwd` with `env`; its streams are files of `folder`."""
    paths = [folder / name for name in STREAMS]
    paths[0].write_text(stdin)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_command, args=(arguments, cwd, dict(env), paths))
    process.start()
    process.join(GUARD)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    return Done(process.exitcode, *(path.read_text() for path in paths[1:]))


def _command(arguments: tuple[str, ...], cwd: Path, env: dict[str, str], paths: list[Path]) -> None:
    from headscope.cli import main

    for number, path in enumerate(paths):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    modes = ("r", "w", "w")
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in enumerate(modes)
    )
    sys.argv = ["headscope", *arguments]
    main()
