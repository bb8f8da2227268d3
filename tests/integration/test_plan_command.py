"""`headscope plan`: several runs by one engine, each line checked before the first begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headscope.analysis.engines.inline import InlineEngine
from headscope.cli import handover
from headscope.datasets import prompt_sets
from tests.cli import headscope

ROOT = Path(__file__).parents[2]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "some prompts.txt"
    path.write_text("the cat sat on\nthe dog ran\n")
    return path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of every engine that was made, how many workers it was asked for."""
    asked: list[int] = []
    monkeypatch.setattr(handover, "_engine", lambda workers: asked.append(workers) or InlineEngine())
    return asked


def kept(store: Path) -> dict[str, int]:
    """Runs of each experiment."""
    asked = "SELECT experiment, count(*) AS n FROM runs GROUP BY experiment"
    done = headscope("sql", asked, "--store", str(store), "--format", "json")
    return {row["experiment"]: row["n"] for row in json.loads(done.stdout)}


def test_every_line_is_a_run_and_one_engine_serves_them_all(
    tmp_path: Path, prompts: Path, tiny_gpt2_dir: Path, made: list[int]
) -> None:
    store, file = tmp_path / "a.duckdb", tmp_path / "a.plan"
    model = f"--model {tiny_gpt2_dir} --analyses heads"
    file.write_text(
        f"# two of them\n\n--prompts '{prompts}' {model} --experiment one  # with a comment\n"
        f"--prompts '{prompts}' {model} --experiment two --max-new-tokens 2\n"
    )
    done = headscope("plan", str(file), "--store", str(store), "--workers", "3")
    assert done.returncode == 0, done.stderr
    assert "1 of 2: " in done.stderr
    assert "2 of 2: " in done.stderr
    assert kept(store) == {"one": 2, "two": 2}
    assert made == [3]
    again = headscope("plan", str(file), "--store", str(store))
    assert "0 succeeded, 0 failed, 2 already there" in again.stderr, again.stderr


def test_a_line_that_fails_leaves_the_others(
    tmp_path: Path, prompts: Path, tiny_gpt2_dir: Path, made: list[int]
) -> None:
    store, file = tmp_path / "a.duckdb", tmp_path / "a.plan"
    good = f"--prompts '{prompts}' --model {tiny_gpt2_dir} --analyses heads --experiment"
    file.write_text(f"{good} one\n--prompts '{prompts}' --model no-such-model\n{good} two\n")
    done = headscope("plan", str(file), "--store", str(store))
    assert done.returncode == 1
    assert f"error: {file}, line 2: " in done.stderr
    assert "no-such-model" in done.stderr
    assert "1 line of 3 failed; what the others gave is stored." in done.stderr
    assert kept(store) == {"one": 2, "two": 2}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--prompts no-such-set", "no-such-set"),
        ("--prompts factual_recall --analyses guesswork", "guesswork"),
        ("--prompts factual_recall --batch-size many", "--batch-size"),
        ("--prompts factual_recall --no-such-option", "--no-such-option"),
        ("--experiment alone", "no prompts: say --prompts"),
        ("--prompts 'factual_recall", "No closing quotation"),
        ("--prompts factual_recall --store b.duckdb", "`headscope plan --store`"),
        ("--prompts factual_recall --workers 2", "`headscope plan --workers`"),
        ("--resume", "plans go on by themselves"),
        ("job-1 --prompts factual_recall", "stands alone"),
    ],
)
def test_a_line_that_cannot_be_is_said_before_anything_begins(
    tmp_path: Path, prompts: Path, made: list[int], line: str, said: str
) -> None:
    store, file = tmp_path / "a.duckdb", tmp_path / "a.plan"
    file.write_text(f"--prompts '{prompts}'\n{line}\n")
    done = headscope("plan", str(file), "--store", str(store))
    assert done.returncode == 1
    assert f"{file}, line 2: " in done.stderr
    assert said in done.stderr
    assert not store.exists()
    assert made == []


@pytest.mark.parametrize("content", [b"", b"# nothing yet\n\n", None, b"\xff\xfe"])
def test_a_plan_of_nothing_says_so(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "a.plan"
    if content is not None:
        file.write_bytes(content)
    done = headscope("plan", str(file), "--store", str(tmp_path / "a.duckdb"))
    assert done.returncode == 1
    assert ("asks for nothing" if content in {b"", b"# nothing yet\n\n"} else "cannot be read") in done.stderr


def test_the_plan_of_the_demo_runs_whole_on_sets_cut_to_a_few_prompts(
    tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.small_sets import build_small_sets

    store, file = tmp_path / "a.duckdb", tmp_path / "demo.plan"
    shipped = (ROOT / "docs" / "examples" / "demo.plan").read_text()
    lines = [line for line in shipped.splitlines() if not line.startswith("#")]
    file.write_text("".join(f"{line} --model {tiny_gpt2_dir}\n" for line in lines))
    monkeypatch.setattr(prompt_sets, "DATA", build_small_sets(tmp_path / "ours"))
    done = headscope("plan", str(file), "--store", str(store))
    assert done.returncode == 0, done.stderr
    assert kept(store).keys() == {"demo", "bias", "continuations", "failures", "gradients", "evidence"}
