"""Runs with interventions are counted like any other: every page that counts them says how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from headscope.analysis.types import Prompt
from headscope.dashboard.pages.charts import cards as charts
from headscope.dashboard.pages.charts.query import ChartsQuery
from headscope.dashboard.pages.confidence.page import SCOPED as CONFIDENCE
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.heads.head import SCOPED as HEAD
from headscope.dashboard.pages.heads.query import HeadQuery
from headscope.dashboard.pages.models.page import SCOPED as MODELS
from headscope.dashboard.pages.models.query import ModelsQuery
from headscope.dashboard.pages.regression import cards as regression
from headscope.dashboard.pages.regression.query import RegressionQuery
from headscope.dashboard.pages.runs import cards as runs
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.scoped.bar import cautions
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import ModelSettings
from tests.factories import make_info, make_result, make_set
from tests.page_parts import BrokenStore, text_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three runs of `mixed`, of which one has the MLP of a layer switched off, and the other two alone in `plain`."""
    results = [make_result(Prompt(f"p{i}", f"Text {i}", " yes", " no"), seed=i) for i in range(3)]
    results[0] = replace(results[0], capsule={**results[0].capsule, "interventions": ["mlp:1:zero"]})
    with Store.open(str(tmp_path_factory.mktemp("scope") / "store.duckdb")) as opened:
        for name, first in (("mixed", 0), ("plain", 1)):
            mine = [replace(one, result_key=f"{name} {one.result_key}") for one in results[first:]]
            job = opened.start_job(experiment=name, model="tiny", spec={}, total=len(mine))
            prompts = make_set(*(one.prompt for one in mine), name=name)
            opened.save(job, make_info("tiny"), prompts, ["heads"], 0, mine)
        yield opened


@pytest.mark.parametrize(("experiment", "warned"), [("mixed", True), ("plain", False)])
def test_every_bar_warns_of_runs_with_interventions(store: Store, experiment: str, warned: bool) -> None:
    said = {
        "scope": CONFIDENCE.bar(store, ConfidenceQuery(experiment=experiment), ""),
        "head": HEAD.bar(store, HeadQuery(experiment=experiment, model="tiny", head="0.0"), ""),
        "models": MODELS.bar(store, ModelsQuery(model="tiny", experiment=experiment), ""),
        "charts": charts.chart(Services(store), ChartsQuery(experiment=(experiment,))),
    }
    for where, body in said.items():
        assert ("1 of these 3 runs has interventions" in text_of(body)) == warned, where


def test_the_list_of_runs_warns_of_them(store: Store) -> None:
    said = text_of(runs.cautions(Services(store), RunsQuery(experiment=("mixed",))))
    assert "1 of the 3 runs here that succeeded has interventions" in said
    assert "listed like any other" in said
    assert runs.cautions(Services(store), RunsQuery(experiment=("plain",))) == []
    assert runs.cautions(Services(BrokenStore()), RunsQuery()) is None


def test_a_comparison_says_which_side_has_them(store: Store) -> None:
    said = text_of(regression.bar(store, RegressionQuery(baseline="plain", candidate="mixed@tiny")))
    assert "Candidate: 1 of these 3 runs has interventions" in said
    assert said.count("has interventions") == 1
    assert "interventions" not in text_of(regression.bar(store, RegressionQuery(candidate="mixed")))


def test_cautions_in_words() -> None:
    plain = ModelSettings("tiny", "float32", "cpu", start_token=False, chat=False, n_runs=1_200)
    assert cautions([plain]) == []
    (said,) = cautions([plain, replace(plain, n_runs=34, changed=True)])
    assert said.startswith("34 of these 1,234 runs have interventions: the model was changed while it ran.")
    every = cautions([replace(plain, dtype="float16", changed=True), plain])
    assert [text.partition(" ")[0] for text in every] == ["Runs", "1,200"]
