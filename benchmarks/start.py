"""What a command takes that has little to do, against the same command whose imports are looked through for garbage.

`run` is of two short prompts with a tiny model, in a store that has their runs.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness import interleaved, summary, write_result
from tests.tiny_models import build_tiny_gpt2

AS_IT_IS = "from headscope.__main__ import main; main()"
LOOKED_THROUGH = """
import contextlib
from headscope.analysis import imports
imports.importing = lambda name: contextlib.nullcontext()
from headscope.cli import main
main()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        prompts, store = Path(folder) / "prompts.txt", Path(folder) / "store.duckdb"
        prompts.write_text("the cat\nthe dog\n")
        model = build_tiny_gpt2(Path(folder) / "model")
        commands = {
            "run": ("run", "--prompts", str(prompts), "--model", str(model), "--store", str(store)),
            "sql": ("sql", "SELECT 1", "--store", str(store)),
            "help": ("--help",),
        }
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        _command(AS_IT_IS, commands["run"], environment)
        found = interleaved({
            f"{name}, {how}": functools.partial(_command, code, words, environment)
            for name, words in commands.items()
            for how, code in (("as it is", AS_IT_IS), ("looked through", LOOKED_THROUGH))
        })  # fmt: skip
    results = {name: summary(seconds) for name, seconds in found.items()}
    ratios = {
        name: round(results[f"{name}, looked through"]["median_ms"] / results[f"{name}, as it is"]["median_ms"], 2)
        for name in commands
    }
    write_result("start", results | {"times_as_quick": ratios})


def _command(code: str, words: tuple[str, ...], environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, check=True)


if __name__ == "__main__":
    main()
