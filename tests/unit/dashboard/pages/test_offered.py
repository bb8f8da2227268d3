"""A page over an experiment offers those that have something for it, and says how many it leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.dashboard.pages.bias.facets import beside_menu
from headscope.dashboard.pages.bias.page import SCOPED as BIAS
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.pages.blackbox.page import SCOPED as BLACKBOX
from headscope.dashboard.pages.blackbox.query import BlackBoxQuery
from headscope.dashboard.pages.confidence.page import SCOPED as CONFIDENCE
from headscope.dashboard.pages.failures.page import SCOPED as FAILURES
from headscope.dashboard.pages.heads.head import SCOPED as HEAD
from headscope.dashboard.pages.heads.page import SCOPED as HEADS
from headscope.dashboard.pages.heads.query import HeadQuery
from headscope.dashboard.pages.methods.page import methods_bar
from headscope.dashboard.pages.methods.query import MethodsQuery
from headscope.dashboard.pages.scorer.query import ScorerQuery
from headscope.dashboard.pages.scorer.stored import _experiments
from headscope.dashboard.pages.toxicity.page import SCOPED as TOXICITY
from headscope.dashboard.scoped.subjects import SUBJECTS
from headscope.dashboard.services import Services
from headscope.storage.read import subjects
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set
from tests.page_parts import text_of

NOTHING = {"trace": None, "heads": None, "layers": None, "lens": None, "target": None, "attributions": ()}
FINDINGS = (
    ProbeResult("perturbation", 0.9, None, {"parts": ["a"], "measures": {}}),
    ToxicityScore("prompt", "toxic", 0.1, "judge-1"),
    ProbeResult("repetition_loop", None, "passed", {}),
)
SCOPED = {item.page.name: item for item in (BIAS, BLACKBOX, CONFIDENCE, FAILURES, HEADS, TOXICITY)}


def _store(path: str, *names: str) -> Store:
    whole = replace(make_result(Prompt("p", "Text", " a", " b", "old", "pair")), findings=FINDINGS)
    store = Store.open(path)
    for name in names:
        run = whole if name == "full" else replace(make_result(Prompt("q", f"Of {name}")), **NOTHING)
        run = replace(run, result_key=name)
        job = store.start_job(experiment=name, model="tiny", spec={}, total=1)
        store.save(job, make_info("tiny"), make_set(run.prompt, name=name), [], 0, [run])
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with _store(str(tmp_path_factory.mktemp("offered") / "store.duckdb"), "full", "hollow") as opened:
        yield opened


def bars(store: Store, **scope: Any) -> dict[str, str]:
    """What every bar says."""
    said = {name: text_of(page.bar(store, page.query(**scope), page.purpose)) for name, page in SCOPED.items()}
    said["methods"] = text_of(methods_bar(store, MethodsQuery(**scope)))
    head = HeadQuery(model="tiny", head="0.0", **scope)
    said["head"] = text_of(HEAD.bar(store, head, HEAD.purpose))
    return said


def test_only_experiments_with_something_are_listed(store: Store) -> None:
    for name, said in bars(store).items():
        assert "full" in said, name
        assert "hollow" not in said, name
        assert "Not listed: 1 experiment without" in said, name
    for name, said in bars(store, experiment="full").items():
        assert "full" in said, name
        assert "hollow" not in said, name


def test_an_experiment_of_the_link_without_anything_is_still_said_to_have_nothing(store: Store) -> None:
    for name, said in bars(store, experiment="hollow").items():
        assert "hollow" in said, name
        assert "full" in said, name
    body, _ = BLACKBOX.content("blackbox-importance", Services(store), BlackBoxQuery(experiment="hollow"))
    assert "No black-box runs here" in text_of(body)


def test_menus_beside_the_bar_offer_the_same(store: Store) -> None:
    assert "hollow" not in text_of(_experiments(store, ScorerQuery()))
    assert beside_menu(store, BiasQuery(experiment="full")) is None


def test_where_no_experiment_has_anything_the_page_says_how_to_make_it(tmp_path: Any) -> None:
    with _store(str(tmp_path / "store.duckdb"), "hollow") as hollow:
        said = bars(hollow)
    assert "no experiment here has black-box runs" in said["blackbox"]
    assert "headscope blackbox" in said["blackbox"]
    assert all("headscope" in words for words in said.values())


def test_every_subject_has_its_words() -> None:
    assert set(SUBJECTS) == set(subjects.SUBJECTS)
