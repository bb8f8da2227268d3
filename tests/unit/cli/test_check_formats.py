"""`headscope check` in its three formats over one store: the same flips, ranked, linked, covered."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from headscope.analysis.types import Prompt, RunResult
from headscope.cli import app
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set
from tests.offensive_store import RUDE, findings

N = 12


def answered(i: int, *, right: bool) -> RunResult:
    """The last prompt is offensive; the later ones fall further."""
    text = f"A {RUDE} text" if i == N - 1 else f"Text {i}"
    made = make_result(Prompt(f"p{i}", text, " and", " but"), seed=i)
    assert made.target is not None
    target = replace(made.target, rank=1 if right else 5, logprob=-0.5 if right else -1.0 - i)
    return replace(made, target=target, findings=findings(0.93 if i == N - 1 else 0.1, 0.1, RUDE)[:2])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("formats") / "formats.duckdb")
    with Store.open(path) as store:
        for experiment in ("before", "after"):
            results = [answered(i, right=experiment == "before") for i in range(N)]
            job = store.start_job(experiment=experiment, model="tiny", spec={}, total=N)
            prompts = make_set(*(result.prompt for result in results))
            store.save(job, make_info("tiny"), prompts, ["toxicity"], 0, results, replace_old=True)
    return path


@lru_cache
def check(url: str, *more: str) -> str:
    done = CliRunner().invoke(app, ["check", "--baseline", "before", "--candidate", "after", "--store", url,
                                    "--server", "http://host/", *more])  # fmt: skip
    assert done.exit_code == 3, done.output
    return done.stdout


def test_flips_in_json_are_ranked_and_linked(url: str) -> None:
    flips: list[dict[str, Any]] = json.loads(check(url, "--format", "json"))["broken"]
    assert [flip["key"] for flip in flips] == [f"p{i}" for i in reversed(range(N))]
    for flip in flips:
        assert flip["link"] == f"http://host/compare?a={flip['baseline_run']}&b={flip['candidate_run']}"


def test_junit_lists_the_same_flips(url: str) -> None:
    flips = json.loads(check(url, "--format", "json"))["broken"]
    suite = ElementTree.fromstring(check(url, "--format", "junit"))[0]
    said = str(suite.findtext("system-out"))
    assert [line.strip() for line in said.splitlines() if "/compare" in line] == [flip["link"] for flip in flips]
    assert {case.attrib["name"] for case in suite if case.find("failure") is not None} == {"accuracy", "target"}


@pytest.mark.parametrize("form", ["table", "json", "junit"])
def test_offensive_texts_are_covered_unless_asked_for(url: str, form: str) -> None:
    assert RUDE not in check(url, "--format", form)
    assert "[covered: toxic 0.93" in check(url, "--format", form)
    assert RUDE in check(url, "--format", form, "--show-offensive")
