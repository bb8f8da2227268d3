"""Suite files: what they become, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.errors import InputError
from headscope.datasets.behaviour_suites import read

SUITE = """
name: basics
licence: CC0-1.0
tests:
  - name: capitals
    kind: functionality
    allowed: 0.25
    examples:
      - {text: The capital of France is, target: " Paris"}
      - {text: The capital of Italy is, target: " Rome", foil: " Paris"}
  - name: greetings
    kind: invariance
    examples:
      - {text: Two and two is, changed: Hello. Two and two is}
  - name: praise
    kind: direction
    expect: up
    by: 0.1
    target: " good"
    foil: " bad"
    examples:
      - {text: The film was, changed: The wonderful film was}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return path


def test_a_suite_is_tests_and_a_prompt_set(tmp_path: Path) -> None:
    suite = read(written(tmp_path, SUITE))
    assert [(test.name, test.kind, test.allowed, test.expect, test.by) for test in suite.tests] == [
        ("capitals", "functionality", 0.25, "", 0.0),
        ("greetings", "invariance", 0.0, "", 0.0),
        ("praise", "direction", 0.0, "up", 0.1),
    ]
    prompts = {prompt.id: prompt for prompt in suite.prompt_set.prompts}
    assert list(prompts) == ["1/1", "1/2", "2/1", "2/1/changed", "3/1", "3/1/changed"]
    assert (prompts["1/1"].target, prompts["1/1"].group, prompts["1/1"].pair_id) == (" Paris", None, None)
    changed = prompts["3/1/changed"]
    assert (changed.text, changed.target, changed.foil) == ("The wonderful film was", " good", " bad")
    assert (changed.pair_id, changed.group, changed.tags) == ("3/1", "changed", ("praise", "direction"))
    assert (suite.name, suite.prompt_set.licence) == ("basics", "CC0-1.0")
    assert suite.prompt_set.version == suite.prompt_set.sha256[:12]


def test_the_suite_of_the_demo_is_one() -> None:
    suite = read(Path(__file__).parents[3] / "docs" / "examples" / "first_suite.yaml")
    assert {test.kind for test in suite.tests} == {"functionality", "invariance", "direction"}
    assert all(len(test.examples) >= 5 for test in suite.tests)


def test_json_is_read_too(tmp_path: Path) -> None:
    example = {"text": "a", "target": " b"}
    suite = {"tests": [{"kind": "functionality", "examples": [example]}]}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(suite))
    assert (read(path).name, read(path).tests[0].name) == ("mine", "test 1")


def suite_of(kind: str = "functionality", **changes: Any) -> str:
    examples = [{"text": "a", "target": " b"}]
    return json.dumps({"tests": [{"name": "t", "kind": kind, "examples": examples, **changes}]})


PAIR = {"text": "a", "changed": "b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: [", "is no YAML or JSON"),
        ("just words", "expected fields"),
        ("tests: []", "tests must be a list"),
        ("testz: []", "did you mean 'tests'"),
        (suite_of("speed"), "kind must be functionality, invariance, direction"),
        (suite_of(expect="up"), "a direction test, and no other"),
        (suite_of("direction", examples=[PAIR]), "a direction test, and no other"),
        (suite_of("direction", expect="up", examples=[PAIR]), "no target to look at"),
        (suite_of(examples=[{"text": "a"}]), "test 1 (t), example 1: there is no target"),
        (suite_of(examples=[PAIR | {"target": " c"}]), "has no changed text"),
        (suite_of("invariance"), "needs its changed text"),
        (suite_of("invariance", examples=[PAIR | {"target": " c"}]), "by how many nats"),
        (suite_of("invariance", examples=[PAIR | {"foil": " c"}]), "no target to look at"),
        (suite_of(examples=[{"text": "", "target": " b"}]), "there is no text"),
        (suite_of(examples=[{"text": 3, "target": " b"}]), "text must be text"),
        (suite_of(allowed=2), "allowed must be a number from 0 to 1"),
        (suite_of(by=True), "by must be a number"),
        (json.dumps({"tests": json.loads(suite_of())["tests"] * 2}), "two tests are called 't'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as found:
        read(written(tmp_path, text))
    assert said in str(found.value)
    assert "suite.yaml" in str(found.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.yaml")
