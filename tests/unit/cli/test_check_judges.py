"""`headscope check` never sets one classifier's scores against another's."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from headscope.analysis.classifiers.card import cards
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ToxicityScore
from headscope.cli import app
from headscope.jobs.snapshot import sides
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set

MINILM, LINEAR = cards()
N = 12
SCORES = {
    "before": {MINILM: (0.1, 0.2, 0.3, 0.1, 0.2, 0.1), LINEAR: (0.5, 0.5, 0.5, 0.5, 0.5, 0.5)},
    "after": {LINEAR: (0.6, 0.7, 0.6, 0.8, 0.6, 0.9)},
    "both": {MINILM: (0.3, 0.4, 0.5, 0.3, 0.4, 0.3), LINEAR: (0.6, 0.7, 0.6, 0.8, 0.6, 0.9)},
    "shipped only": {MINILM: (0.3, 0.4, 0.5, 0.3, 0.4, 0.3)},
    "nobody": {},
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("judges") / "judges.duckdb")
    with Store.open(path) as store:
        for experiment, judges in SCORES.items():
            results = [
                replace(make_result(Prompt(f"p{i}", f"Text {i}"), seed=i), findings=tuple(
                    ToxicityScore("continuation", "toxic", scores[i % 6], name) for name, scores in judges.items()))
                for i in range(N)
            ]  # fmt: skip
            job = store.start_job(experiment=experiment, model="tiny", spec={}, total=N)
            store.save(job, make_info("tiny"), make_set(*(r.prompt for r in results)), ["toxicity"], 0, results)
    return path


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("candidate", "judge"), [("after", LINEAR), ("both", MINILM), ("shipped only", MINILM), ("nobody", "")]
)
def test_one_classifier_that_judged_both_sides_is_chosen(store: Store, candidate: str, judge: str) -> None:
    found = sides(store, "before", candidate)
    assert (found.judge, found.without) == (judge, "")
    for name, side in (("before", found.baseline), (candidate, found.candidate)):
        expected = {f"p{i}": SCORES[name][judge][i % 6] if judge else math.nan for i in range(N)}
        assert {run.key: run.toxicity for run in side} == pytest.approx(expected, nan_ok=True)


def test_two_classifiers_are_not_compared_and_it_is_said(url: str) -> None:
    arguments = ["check", "--baseline", "after", "--candidate", "shipped only", "--store", url]
    done = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert "toxicity" not in {row["name"] for row in json.loads(done.stdout)["changes"]}
    assert json.loads(done.stdout)["toxicity_by"] == ""
    said = CliRunner().invoke(app, arguments).stdout
    assert f"of after were judged by {LINEAR}, those of shipped only by {MINILM}" in " ".join(said.split())


def test_the_classifier_is_named(url: str) -> None:
    arguments = ["check", "--baseline", "before", "--candidate", "after", "--store", url, "--fail-on", "toxicity"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3
    assert f"Toxicity: scores by {LINEAR}, which judged both." in done.stdout
