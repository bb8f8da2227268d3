"""The Confidence page: which targets count as answers, and series compared prompt by prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.statistics.separation import separation
from headscope.analysis.types import Prompt, canonical_hash
from headscope.analysis.types.findings import ProbeResult
from headscope.dashboard.pages.confidence import page as confidence
from headscope.dashboard.pages.confidence.measured import COMPARED, compared
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.series import series_of
from headscope.dashboard.pages.confidence.view import confidence_bar, pooled
from headscope.dashboard.services import Services
from headscope.jobs.detection import experiment_runs
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set
from tests.page_parts import text_of

N = 12


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Facts, pairs about grammar and pairs about people, on two models of which one is surer by .5 nats a token."""
    facts = [Prompt(f"fact{i}", f"Fact {i} is", " yes", " no") for i in range(N)]
    pairs = [
        Prompt(f"{kind}{i}-{group}", f"{kind} {i} {group}", " yes", " no", group, f"{kind}{i}")
        for kind, groups in (("negation", ("affirmative", "negative")), ("people", ("old", "young")))
        for i in range(N)
        for group in groups
    ]
    prompts = [*facts, *pairs]
    with Store.open(str(tmp_path_factory.mktemp("confidence") / "store.duckdb")) as opened:
        for model, surer in (("tiny", 0.0), ("other", 0.5)):
            results = []
            for i, prompt in enumerate(prompts):
                made = make_result(prompt, seed=i)
                assert made.trace is not None
                trace = replace(made.trace, logprobs=made.trace.logprobs + surer)
                results.append(replace(made, trace=trace, result_key=canonical_hash([model, made.result_key])))
            job = opened.start_job(experiment="sure", model=model, spec={}, total=len(prompts))
            opened.save(job, make_info(model), make_set(*prompts, name="sure"), ["layers"], 0, results)
        yield opened


def words(store: Store, card: str, **state: str) -> str:
    body, _ = confidence.SCOPED.content(card, Services(store), ConfidenceQuery(experiment="sure", **state))
    return " ".join(text_of(body).split())


def test_a_target_about_people_is_no_right_answer(store: Store) -> None:
    for card in ("confidence-calibration", "confidence-risk", "confidence-wrong"):
        said = words(store, card)
        assert f"Without {4 * N} runs of pairs about groups of people" in said
        assert f"{4 * N} targets here are in pairs about groups of people" in words(store, card, answers="all")
    assert f" {3 * N} " in words(store, "confidence-calibration", model="tiny")
    assert f" {5 * N} " in words(store, "confidence-calibration", model="tiny", answers="all")
    few = "Fewer than 10 wrong answers, or fewer right ones: the interval may be too narrow for"
    assert few in words(store, "confidence-risk")
    assert f"(n = {3 * N})" not in words(store, "confidence-layers")  # drawn in the figure, not said


def test_any_selection_of_the_runs_page_is_summed_up_and_pooled_experiments_are_said(store: Store) -> None:
    asked = "?model=tiny&model=other&q=Fact"
    query = ConfidenceQuery.from_query(asked)
    assert (query.chosen, query.narrowed.q) == (True, "Fact")
    body, _ = confidence.SCOPED.content("confidence-spread", Services(store), query)
    assert f"n = {N}" in " ".join(text_of(body).split())  # the facts alone, of each model
    assert len(store.measures(query.where())) == 2 * N
    assert pooled(store, query) == []
    runs = query.runs()
    assert "q=Fact" in runs
    assert runs.count("model=") == 2
    bar = " ".join(text_of(confidence_bar(store, query, "Confidence is summed up over the runs")).split())
    assert "Fact" in bar
    assert "experiments are counted together" not in bar
    assert pooled(store, ConfidenceQuery.from_query("?experiment=sure&experiment=more&model=tiny")) == [
        "Runs of 2 experiments are counted together: a prompt that ran in several counts as often, and intervals take "
        "its runs for independent ones."
    ]
    assert pooled(store, ConfidenceQuery(experiment="sure")) == pooled(store, ConfidenceQuery()) == []


def test_models_are_compared_prompt_by_prompt(store: Store) -> None:
    runs = store.measures(experiment_runs("sure"))
    tiny, other = sorted(series_of(runs, "model"), key=lambda item: item.name != "tiny")
    surprisal = next(item for item in COMPARED if item.title == "Mean surprisal")
    found = compared(runs, other, tiny, surprisal, "model")
    assert found.paired
    assert (found.n, found.clusters) == (5 * N, 3 * N)  # both sides of a pair are one observation
    assert found.mean == pytest.approx(-0.5 / np.log(2), rel=1e-5)
    right = next(item for item in COMPARED if item.title == "Right")
    assert compared(runs, other, tiny, right, "model").n == 3 * N
    said = words(store, "confidence-compared")
    assert f"{5 * N} pairs" in said
    assert "Each series minus" in said
    assert "Each series minus tiny" in words(store, "confidence-compared", against="tiny")


def test_models_that_cut_a_text_otherwise_are_not_compared_in_surprisal(store: Store) -> None:
    runs = store.measures(experiment_runs("sure"))
    longer = replace(runs, n_tokens=np.where([name == "other" for name in runs.model], 99.0, runs.n_tokens))
    a, b = series_of(longer, "model")
    surprisal, entropy, *_ = COMPARED
    assert compared(longer, a, b, surprisal, "model").n == 0
    assert compared(longer, a, b, entropy, "model").n == 5 * N


def test_groups_are_compared_within_pairs_and_sets_as_they_are(store: Store) -> None:
    runs = store.measures(experiment_runs("sure"))
    named = {item.name: item for item in series_of(runs, "group")}
    margin = next(item for item in COMPARED if item.title == "Margin over foil")
    within = compared(runs, named["old"], named["young"], margin, "group")
    assert (within.paired, within.n, within.clusters) == (True, 2 * N, N)
    mine = {g: {(m, p): v for m, p, h, v in zip(runs.model, runs.pair_id, runs.group, runs.margin, strict=True)
                if h == g} for g in ("old", "young")}  # fmt: skip
    assert within.mean == pytest.approx(np.mean([mine["old"][key] - mine["young"][key] for key in mine["old"]]))
    across = compared(runs, named["old"], named["negative"], margin, "group")
    assert (across.paired, across.n) == (False, 4 * N)
    assert "Nothing to compare" in words(store, "confidence-compared", by="prompt_set")


def test_the_layer_of_the_right_answer(store: Store) -> None:
    body, _ = confidence.SCOPED.content("confidence-layers", Services(store),
                                        ConfidenceQuery(experiment="sure", settled="target"))  # fmt: skip
    figure = next(item for item in body if hasattr(item, "figure")).figure
    assert sorted(trace.name for trace in figure.data) == [f"other (n = {3 * N})", f"tiny (n = {3 * N})"]


def test_an_experiment_about_people_alone_says_why_nothing_is_right(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "people.duckdb")) as store:
        prompts = [Prompt(f"p-{group}", f"The {group}", " kind", " rude", group, "p") for group in ("old", "young")]
        job = store.start_job(experiment="sure", model="tiny", spec={}, total=2)
        store.save(job, make_info("tiny"), make_set(*prompts), [], 0, [make_result(prompt) for prompt in prompts])
        assert "neither word is right" in words(store, "confidence-calibration")
        assert "No layers of a right answer" in words(store, "confidence-layers", settled="target")


def test_signs_of_wrong_answers_are_measured_on_the_same_prompts(tmp_path: Path) -> None:
    """Right answers are sure and their samples agree; the entropy was dealt by chance."""
    prompts = [Prompt(f"f{i}", f"Fact {i} is", " yes", " no") for i in range(40)]
    results, right = [], []
    for i, prompt in enumerate(prompts):
        made = make_result(prompt, seed=i)
        assert made.target is not None
        right.append(float(i % 2))
        agree = 0.9 - 0.02 * (i % 5) if i % 2 else 0.5 + 0.02 * (i % 5)
        results.append(replace(made, target=replace(made.target, rank=1 if i % 2 else 3),
                               findings=(ProbeResult("self_consistency", agree),
                                         ProbeResult("unsupported_specificity", float(i % 3 == 0)))))  # fmt: skip
    with Store.open(str(tmp_path / "signs.duckdb")) as store:
        job = store.start_job(experiment="sure", model="tiny", spec={}, total=len(prompts))
        store.save(job, make_info("tiny"), make_set(*prompts), ["layers"], 0, results)
        said, gained = words(store, "confidence-signs"), words(store, "confidence-risk")
        runs = store.measures(experiment_runs("sure"))
    found = separation(-np.log(runs.next_token_prob), (runs.target_rank == 1).astype(float))
    assert f"Surprisal of the answer −log P(top token) {found.area:.2f} [{found.low:.2f}, {found.high:.2f}]" in said
    assert "Wang et al. 2023 1.00 [0.86, 1.00]" in said
    assert "20 20 beats surprisal" in said
    details = separation(np.array([float(i % 3 == 0) for i in range(40)]), (runs.target_rank == 1).astype(float))
    assert f"after Varshney et al. 2023 {details.area:.2f} [" in said
    assert "Not measured: headscope run ... --analyses semantic_entropy" in said
    assert "may be too narrow" not in gained
