"""The Scorer audit page without a browser: every card of both scorers, runs that two judged, and runs that one did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from headscope.analysis.classifiers.card import card, cards, judged
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ToxicityScore
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.scorer.page import SCOPED
from headscope.dashboard.pages.scorer.query import ScorerQuery
from headscope.dashboard.pages.scorer.view import costs
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set
from tests.page_parts import BrokenStore, hrefs, text_of

MINILM, LINEAR = cards()
OF_CARD = [id_ for id_ in SCOPED.cards if id_ not in ("scorer-disagreement", "scorer-evidence")]
READ = {"tokens": ["Text"], "spans": [[0, 4]], "scores": [0.9], "logit": 1.5, "convergence_delta": -0.02}
HOST = {"Host": "127.0.0.1:8050"}


def fill(store: Store, experiment: str, judges: dict[str, list[float]]) -> None:
    prompts = [Prompt(f"p{i}", f"Text {i}") for i in range(len(judges[MINILM]))]
    results = [
        replace(make_result(prompt, seed=i), findings=tuple(
            ToxicityScore("prompt", "toxic", scores[i], name, READ if name == MINILM and scores[i] >= 0.5 else {})
            for name, scores in judges.items()))
        for i, prompt in enumerate(prompts)
    ]  # fmt: skip
    job = store.start_job(experiment=experiment, model="tiny", spec={}, total=len(prompts))
    store.save(job, make_info("tiny"), make_set(*prompts, name=experiment), ["toxicity"], 0, results)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "scorer.duckdb")) as store:
        apart = [0.9] + [0.1] * 24
        fill(store, "two", {MINILM: apart, LINEAR: [0.2] * 24 + [0.3]})
        fill(store, "one", {MINILM: [0.1, 0.95]})
        fill(store, "foreign", {MINILM: [0.1, 0.95], "toxic-comment-classifier-0.3.0": [0.9, 0.1]})
        yield Services(store)


def shown(services: Services, id_: str, **query: Any) -> tuple[str, list[str]]:
    body, actions = SCOPED.content(id_, services, ScorerQuery(**query))
    return " ".join(text_of([body, actions]).split()), [*hrefs(body), *hrefs(actions)]


@pytest.mark.parametrize("name", [MINILM, LINEAR])
def test_every_card_of_a_scorer_is_there_without_an_experiment(services: Services, name: str) -> None:
    for id_ in SCOPED.cards:
        words, links = shown(services, id_, classifier=name)
        assert words, id_
        assert "Could not" not in words, words
        for link in links:
            path, _, rest = link.partition("?")
            assert path != SCOPED.page.path or ScorerQuery.from_query(rest.partition("#")[0]).notes == ()
    stated = cards()[name]
    tests, _ = shown(services, "scorer-functional", classifier=name)
    for test in stated.functional:
        assert test["says"] in tests
        assert f"{test['right']} of {test['n']}" in tests
    assert all(said in shown(services, "scorer-weaknesses", classifier=name)[0] for said in stated.weaknesses)


def test_a_broken_store_spares_what_is_read_from_the_card() -> None:
    broken = Services(BrokenStore())
    for id_ in SCOPED.cards:
        assert ("Could not" in shown(broken, id_)[0]) is (id_ not in OF_CARD), id_


def test_what_a_threshold_costs_is_what_scikit_learn_says() -> None:
    cost = next(cost for cost in costs(card()) if cost.shipped)
    errors = judged(MINILM, "toxic").errors
    assert cost.errors == errors
    assert errors is not None
    misses, rejects = errors.positives - errors.true_positives, errors.negatives - errors.false_positives
    truth = [1] * errors.positives + [0] * errors.negatives
    said = [1] * errors.true_positives + [0] * misses + [1] * errors.false_positives + [0] * rejects
    assert cost.precision == pytest.approx(precision_score(truth, said))
    assert cost.errors.sensitivity == pytest.approx(recall_score(truth, said))
    assert cost.f1 == pytest.approx(f1_score(truth, said))


def test_offensive_examples_are_covered_and_neutral_ones_are_not(services: Services) -> None:
    body, _ = SCOPED.content("scorer-functional", services, ScorerQuery())
    covers = text_of(body).count("covered:")
    stated = card()
    toxic = sum(2 for test in stated.functional if test["toxic"])
    assert toxic <= covers < 2 * len(stated.functional)


def test_two_scorers_part_and_the_share_has_its_interval(services: Services) -> None:
    words, links = shown(services, "scorer-disagreement", experiment="two")
    assert "4.0 %" in words  # 1 of 25; Wilson's interval by hand: .71 to 19.5 %
    assert "0.7" in words
    assert "19.5" in words
    assert f"of 25 texts lie on opposite sides of the two thresholds, {card().threshold:.2f} and 0.50" in words
    assert sum(link.startswith("/run?id=") for link in links) == 20
    assert any("page=1" in link for link in links)
    last, _ = shown(services, "scorer-disagreement", experiment="two", page=1)
    assert last.count("prompt ·") == 5
    only, links = shown(services, "scorer-disagreement", experiment="two", which="apart")
    assert sum(link.startswith("/run?id=") for link in links) == 1
    assert "covered:" in only


def test_a_scorer_without_a_card_is_compared_and_named_so(services: Services) -> None:
    words, _ = shown(services, "scorer-disagreement", experiment="foreign")
    assert "toxic-comment-classifier-0.3.0 has no card here" in words
    assert f"of 2 texts lie on opposite sides of the two thresholds, {card().threshold:.2f} and 0.50" in words
    assert "has no card" not in shown(services, "scorer-disagreement", experiment="two")[0]


def test_one_scorer_alone_says_how_to_ask_a_second(services: Services) -> None:
    words, _ = shown(services, "scorer-disagreement", experiment="one")
    assert "headscope score --experiment one --scorer linear" in words
    words, links = shown(services, "scorer-evidence", experiment="one")
    assert "1.50" in words
    assert sum(link.startswith("/run?id=") for link in links) == 1
    assert "No text was explained" in shown(services, "scorer-evidence", experiment="one", classifier=LINEAR)[0]


def test_a_card_that_is_not_there_is_said(services: Services, tmp_path: Path) -> None:
    said = text_of(SCOPED.bar(services.store, ScorerQuery(classifier="nobody"), ""))
    assert "There is no card of nobody" in said
    client = create_app(services).server.test_client()
    assert client.get("/scorer?classifier=nobody", headers=HOST).status_code == 200
