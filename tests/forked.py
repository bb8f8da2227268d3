"""`headscope` in a process of its own that need not import torch anew: forked from one that has.

For the commands that the documentation shows: there are many, and importing is most of what each would cost.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socketserver
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

from tests.cli import GUARD, Done

STREAMS = ("stdin", "stdout", "stderr")
ASKS = """#!{python} -IS
import json, os, socket, sys

asked = socket.socket(socket.AF_UNIX)
asked.connect({address!r})
asked.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
code, out, err = json.load(asked.makefile())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""

WARM = forkserver.ForkServer()
"""A server of our own: the one of the process has imported nothing that
commands need but torch, where an engine's worker came first; each command took a second more."""
WARM.set_forkserver_preload(["tests.warm"])


def headscope_forked(
    *arguments: str, cwd: Path, env: Mapping[str, str], stdin: str = "", sets: Path | None = None
) -> Done:
    """Run a command as if typed in `cwd` with `env`. `sets`: a folder in place of that of our prompt sets."""
    context = multiprocessing.get_context("forkserver")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in STREAMS]
        paths[0].write_text(stdin)
        process = context.Process(target=_command, args=(arguments, cwd, dict(env), paths, sets))
        with mock.patch.object(forkserver, "connect_to_new_process", WARM.connect_to_new_process):
            process.start()
        process.join(GUARD)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return Done(process.exitcode, *(path.read_text() for path in paths[1:]))


@contextlib.contextmanager
def forking_command() -> Iterator[Path]:
    """A folder for PATH: its `headscope` starts in no time, and leaves the work to `headscope_forked`."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/asked"
        command = Path(folder) / "headscope"
        command.write_text(ASKS.format(python=sys.executable, address=address))
        command.chmod(0o755)
        with socketserver.ThreadingUnixStreamServer(address, _Asked) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield Path(folder)
            server.shutdown()


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        arguments, cwd, env = json.loads(self.rfile.readline())
        done = headscope_forked(*arguments, cwd=Path(cwd), env=env)
        self.wfile.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


def _command(arguments: tuple[str, ...], cwd: Path, env: dict[str, str], paths: list[Path], sets: Path | None) -> None:
    from headscope.cli import main
    from headscope.datasets import prompt_sets

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
    with mock.patch.object(prompt_sets, "DATA", sets or prompt_sets.DATA):
        main()
