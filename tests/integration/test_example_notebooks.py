"""The worked notebooks of docs/examples run as they stand there, each in a process of its own; the embedded model is a
tiny Llama in HEADSCOPE_MODEL_DIR, so that numbers are small and nothing is said about the real one. The `headscope`
that they call is forked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headscope.datasets import prompt_sets
from tests.cli import GUARD
from tests.forked import forking_command
from tests.tiny_models import build_worded_llama

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
PLANTED = "largest change in"
EXECUTE = """
import ast, json, sys

values = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] != "code":
        continue
    tree = ast.parse("".join(cell["source"]))
    shown = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), values)
    value = None if shown is None else eval(compile(shown, "cell", "eval"), values)
    if hasattr(value, "to_plotly_json"):
        print("figure of", len(value.data))
    elif value is not None:
        print(value)
assert "torch" not in sys.modules
"""
"""What a notebook does with code cells: the value of a last expression is shown."""


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return found


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama whose tokens are the words of the prompt sets."""
    prompts = [one for name in ("indirect_object", "evidence") for one in prompt_sets.load(name).prompts]
    texts = [text for one in prompts for text in (one.text, one.target or "", one.foil or "")]
    return build_worded_llama(tmp_path_factory.mktemp("worded") / "model", 2 * texts)


@pytest.fixture(scope="module")
def commands() -> Iterator[Path]:
    with forking_command() as folder:
        yield folder


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, worded: Path, commands: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "smollm2-135m-instruct").symlink_to(worded)
    environment = {
        **os.environ,
        "HEADSCOPE_MODEL_DIR": str(tmp_path / "models"),
        "TMPDIR": str(tmp_path),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-c", EXECUTE, str(path)]
    done = subprocess.run(
        command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=GUARD
    )
    assert done.returncode == 0, done.stderr
    assert "figure of" in done.stdout
    if path.stem == "what_changed":
        said = next(line for line in done.stdout.splitlines() if PLANTED in line)
        planted, found = said.removeprefix("planted in ").split(f"; {PLANTED} ")
        assert planted == found


def test_there_are_three_and_none_keeps_outputs() -> None:
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
        assert json.loads(path.read_text())["nbformat"] == 4
