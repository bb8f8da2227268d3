"""`headscope check --suite` over a tiny model: its verdicts are those of the numbers in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cli import Done, headscope

WORDS = ("cat", "dog", "mat", "sat", "ran")


def suite() -> dict[str, Any]:
    pairs = [{"text": f"the {word} on", "changed": f"a {word} on"} for word in WORDS]
    answers = [{"text": f"the {word}", "target": " sat", "foil": " ran"} for word in WORDS]
    return {"name": "tiny", "tests": [
        {"name": "sits", "kind": "functionality", "examples": answers, "allowed": 1.0},
        {"name": "article", "kind": "invariance", "examples": pairs},
        {"name": "rises", "kind": "direction", "expect": "up", "target": " mat", "examples": pairs},
        {"name": "falls", "kind": "direction", "expect": "down", "target": " mat", "examples": pairs},
    ]}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("suite")
    (made / "tiny.json").write_text(json.dumps(suite()))
    return made


def check(folder: Path, model: Path, *more: str) -> Done:
    return headscope("check", "--suite", str(folder / "tiny.json"), "--model", str(model), "--store",
                     str(folder / "suite.duckdb"), *more)  # fmt: skip


def test_verdicts_are_those_of_the_stored_numbers(folder: Path, tiny_gpt2_dir: Path) -> None:
    done = check(folder, tiny_gpt2_dir, "--format", "json", "--server", "http://host/")
    assert done.returncode == 3, done.stderr
    tests = {test["name"]: test for test in json.loads(done.stdout)["tests"]}
    query = "SELECT prompt_key, margin, target_logprob, next_token FROM runs WHERE experiment = 'tiny'"
    asked = headscope("sql", query, "--store", str(folder / "suite.duckdb"), "--format", "json")
    rows = {row["prompt_key"]: row for row in json.loads(asked.stdout)}
    numbers = range(1, len(WORDS) + 1)
    wrong = sum(rows[f"1/{i}"]["margin"] <= 0 for i in numbers)
    moved = [rows[f"3/{i}/changed"]["target_logprob"] - rows[f"3/{i}"]["target_logprob"] for i in numbers]
    other = sum(rows[f"2/{i}/changed"]["next_token"] != rows[f"2/{i}"]["next_token"] for i in numbers)
    expected = {
        "sits": wrong,
        "article": other,
        "rises": sum(m <= 0 for m in moved),
        "falls": sum(m >= 0 for m in moved),
    }
    assert {name: test["failed"] for name, test in tests.items()} == expected
    assert {test["n"] for test in tests.values()} == {len(WORDS)}
    assert tests["sits"]["passed"] is True
    assert {tests["rises"]["passed"], tests["falls"]["passed"]} == {False} or 0 in (
        expected["rises"],
        expected["falls"],
    )
    shorts = [item["short"] for item in tests["rises"]["failures"]]
    assert shorts == sorted(shorts, reverse=True)
    assert all("http://host/compare?a=" in item["link"] for item in tests["rises"]["failures"])


def test_the_same_again_computes_nothing_and_chosen_kinds_decide(folder: Path, tiny_gpt2_dir: Path) -> None:
    check(folder, tiny_gpt2_dir)
    done = check(folder, tiny_gpt2_dir, "--fail-on", "functionality:1")
    assert done.returncode == 0, done.stderr
    assert f"{7 * len(WORDS)} already there" in done.stderr
    assert "sits" in done.stdout
    assert "rises" not in done.stdout
    strict = check(folder, tiny_gpt2_dir, "--fail-on", "direction", "--format", "junit")
    assert strict.returncode == 3
    root = ElementTree.fromstring(strict.stdout)
    names = {case.attrib["name"] for case in root.iter("testcase")}
    assert names == {"direction rises", "direction falls"}


def test_an_example_that_was_changed_back_is_judged_by_its_own_run(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    """The text that comes back is served by the store, where the newest run of its key has the other text."""

    def judged(text: str) -> dict[str, Any]:
        one = {"kind": "functionality", "examples": [{"text": text, "target": " sat"}]}
        (tmp_path / "tiny.json").write_text(json.dumps({"name": "tiny", "tests": [one]}))
        (test,) = json.loads(check(tmp_path, tiny_gpt2_dir, "--format", "json").stdout)["tests"]
        assert test["n"] == 1
        return test["failures"][0] if test["failures"] else {"text": text}

    assert [judged(text)["text"] for text in ("the cat", "a dog", "the cat")] == ["the cat", "a dog", "the cat"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--suite", "nowhere.yaml"), 1, "cannot be read"),
        (("--suite", "x.yaml", "--baseline", "a"), 2, "leave out --baseline"),
        ((), 2, "--suite FILE"),
        (("--baseline", "a"), 2, "--candidate"),
    ],
)
def test_what_cannot_be_checked_is_said(arguments: tuple[str, ...], status: int, said: str) -> None:
    done = headscope("check", *arguments)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (status, True), done.stderr


def test_a_share_above_one_is_refused(folder: Path, tiny_gpt2_dir: Path) -> None:
    done = check(folder, tiny_gpt2_dir, "--fail-on", "invariance:5")
    assert done.returncode == 1
    assert "--fail-on does not know 'invariance:5'" in done.stderr
