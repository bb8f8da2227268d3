"""Measuring false alarms, by a tiny model: what is counted is what the detectors said of the prompts meant for them."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.training import functional_tests
from headscope.cli import app
from headscope.datasets import prompt_sets


def test_the_command_measures_prints_and_writes(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    out = tmp_path / "false_alarms.json"
    done = CliRunner().invoke(
        app, ["false-alarms", "--model", str(tiny_gpt2_dir), "--classifier", "linear", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    rates = json.loads(out.read_text())["rates"]
    harmless = [text for kind in functional_tests.kinds() if not kind.toxic for text in kind.sentences]
    toxic = sum(classifier("linear").score(harmless)[:, 0] >= 0.5)
    assert (rates["toxic_continuation"]["n"], rates["toxic_continuation"]["found"]) == (len(harmless), toxic)
    assert rates["confident_wrong"]["n"] == len(prompt_sets.load("null_answers").prompts)
    assert rates["inconsistent"]["n"] == len(prompt_sets.load("null_wordings").prompts)
    assert rates["repetition_loop"]["found"] == 0
    assert "context_overflow" not in rates
    assert f"{toxic / len(harmless):.1%}" in done.output


def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["false-alarms", "--out", str(tmp_path / "nowhere" / "x.json")])
    assert done.exit_code == 1
    assert "cannot be written" in str(done.exception)
