"""`headscope check` as a pipeline calls it: two real (tiny) models over the same prompts in one store."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli import Done, headscope

WORDS = ("cat", "dog", "mat", "sat", "ran", "the", "on", "a")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path, tiny_llama_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("check")
    prompts = folder / "prompts.jsonl"
    rows = [{"text": f"the {a} {b}", "target": " sat"} for a in WORDS for b in WORDS]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "check.duckdb"
    for experiment, model in (("base", tiny_gpt2_dir), ("other", tiny_llama_dir), ("both", tiny_gpt2_dir)):
        run(path, experiment, model, prompts)
    run(path, "both", tiny_llama_dir, prompts)
    return path


def run(store: Path, experiment: str, model: Path, prompts: Path) -> None:
    done = headscope("run", "--prompts", str(prompts), "--model", str(model), "--experiment", experiment,
                     "--analyses", "heads", "--store", str(store))  # fmt: skip
    assert done.returncode == 0, done.stderr


def check(store: Path, baseline: str, candidate: str, *more: str) -> Done:
    return headscope("check", "--baseline", baseline, "--candidate", candidate, "--store", str(store), *more)


def test_an_experiment_is_not_worse_than_itself(store: Path, tiny_gpt2_dir: Path) -> None:
    done = check(store, "base", f"both@{tiny_gpt2_dir.name}")
    assert done.returncode == 0, done.stderr
    assert "64 prompts in both." in done.stdout
    assert "No regression" in done.stdout


def test_a_worse_model_ends_with_status_3_and_the_numbers_of_the_store(store: Path) -> None:
    """One of the two directions is worse; the means reported are those that SQL gives."""
    reports = [check(store, *order, "--fail-on", "target", "--format", "json")
               for order in (("base", "other"), ("other", "base"))]  # fmt: skip
    assert sorted(report.returncode for report in reports) == [0, 3]
    worse = next(json.loads(report.stdout) for report in reports if report.returncode == 3)
    assert worse["regressions"][0].startswith("target: ")
    (row,) = [row for row in worse["changes"] if row["name"] == "target"]
    query = "SELECT avg(target_logprob) AS mean FROM runs WHERE experiment IN ('base', 'other') GROUP BY experiment"
    asked = headscope("sql", query, "--store", str(store), "--format", "json")
    means = sorted(item["mean"] for item in json.loads(asked.stdout))
    assert [row["candidate"], row["baseline"]] == pytest.approx(means)


def test_a_build_server_reads_the_same_verdict(store: Path) -> None:
    for order in (("base", "other"), ("other", "base")):
        done = check(store, *order, "--fail-on", "target,flips:1000", "--format", "junit")
        suite = ElementTree.fromstring(done.stdout)[0]
        assert suite.attrib["name"] == " to ".join(order)
        assert [case.attrib["name"] for case in suite.iter("testcase")] == ["target", "flips"]
        assert suite.attrib["failures"] == ("1" if done.returncode == 3 else "0")
        assert done.returncode in (0, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing", "base"), "unknown experiment 'nothing'"),
        (("base", "both"), "say which one, like both@"),
        (("base", "other", "--fail-on", "acuracy"), "--fail-on does not know 'acuracy'"),
        (("base", "other", "--fail-on", "toxicity"), "nothing is known about toxicity"),
        (("base", "other@gpt9"), "unknown model 'gpt9'"),
    ],
)
def test_what_cannot_be_compared_is_said(store: Path, arguments: tuple[str, ...], said: str) -> None:
    done = check(store, *arguments)
    assert done.returncode == 1
    assert said in done.stderr
