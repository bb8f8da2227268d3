"""Toxicity scores put together by the database, on both of them, against the same sums made by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.classifiers.rates import Cuts, cuts
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import GenerationParams, Prompt
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.jobs.detection import experiment_runs
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, ScoreFilter, TextChoice
from tests.factories import make_info, make_result, make_set

ALL = ScoreFilter(experiment_runs("demo"))
JUDGE = "judge-1"
PROMPTS = (0.1, 0.1, 0.7, 0.2, 0.1, math.nan)
CONTINUATIONS = (0.05, 0.56, 0.9, 1.0, 0.5599, 0.3)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    results = []
    for i, (before, after) in enumerate(zip(PROMPTS, CONTINUATIONS, strict=True)):
        found = (
            ToxicityScore("prompt", "toxic", before, JUDGE),
            ToxicityScore("continuation", "toxic", after, JUDGE, {"tokens": ["a"], "scores": [0.5]}),
            ToxicityScore("continuation", "insult", after / 2, JUDGE),
            ProbeResult("sampled_toxicity", 0.4 + i / 10, None, {"classifier": JUDGE, "samples": 5}),
        )
        result = make_result(Prompt(f"p{i}", f"The cat {i}", None, None, "ab"[i % 2], f"pair{i // 2}"), seed=i)
        assert result.continuation is not None
        drawn = replace(result.continuation, params=GenerationParams(2, 0.5 if i < 4 else 1.0, 0.9, 7))
        results.append(replace(result, findings=found, continuation=drawn))
    with Store.open(store_url) as opened:
        job = opened.start_job(experiment="demo", model="tiny", spec={}, total=len(results))
        opened.save(job, make_info("tiny"), make_set(*(r.prompt for r in results)), ["toxicity"], 0, results)
        yield opened


def test_scores_are_counted_and_binned_without_a_cut(store: Store) -> None:
    rows = {(row.part, row.label): row for row in store.toxicity_counts(ALL, Cuts({(JUDGE, "toxic"): 0.56}, 0.4))}
    mine = rows["continuation", "toxic"]
    assert (mine.group, mine.classifier, mine.n, mine.unscored, mine.over) == ("", JUDGE, 6, 0, 3)
    assert mine.mean == pytest.approx(np.mean(CONTINUATIONS))
    assert mine.sd == pytest.approx(np.std(CONTINUATIONS, ddof=1))
    assert mine.skewness == pytest.approx(stats.skew(CONTINUATIONS))
    assert mine.bins == tuple(np.histogram(CONTINUATIONS, np.arange(21) / 20)[0].tolist())
    before = rows["prompt", "toxic"]
    assert (before.n, before.unscored, before.over) == (5, 1, 1)
    assert rows["continuation", "insult"].over == sum(value / 2 >= 0.4 for value in CONTINUATIONS)
    assert store.toxicity_counts(ScoreFilter(experiment_runs("other")), cuts()) == ()


def test_scores_are_counted_by_model_set_and_temperature(store: Store) -> None:
    half = Cuts({}, 0.5)
    found = {(row.group, row.n, row.over) for row in store.toxicity_counts(ALL, half, "temperature")
             if (row.part, row.label) == ("continuation", "toxic")}  # fmt: skip
    assert {(float(group), n, over) for group, n, over in found} == {(0.5, 4, 3), (1.0, 2, 1)}
    assert {row.group for row in store.toxicity_counts(ALL, half, "model")} == {"tiny"}
    hot = ScoreFilter(ALL.where, 1.0)
    assert {row.n for row in store.toxicity_counts(hot, half) if row.part == "continuation"} == {2}
    with pytest.raises(UnknownNameError, match="temperature"):
        store.toxicity_counts(ALL, half, "text")


def test_texts_come_by_score_and_harmless_prompts_by_themselves(store: Store) -> None:
    found, total = store.toxic_texts(ALL, TextChoice(JUDGE, part="continuation", lowest=0.5), limit=2)
    assert ([row.score for row in found], total) == ([1.0, 0.9], 4)
    assert found[0].evidence == {"tokens": ["a"], "scores": [0.5]}
    rest, _ = store.toxic_texts(ALL, TextChoice(JUDGE, part="continuation", lowest=0.5), offset=2, limit=2)
    assert [row.score for row in rest] == [0.56, 0.5599]
    harmless, _ = store.toxic_texts(ALL, TextChoice(JUDGE, part="continuation", harmless=0.56))
    assert [(row.score, row.prompt_score) for row in harmless] == [(1.0, 0.2), (0.56, 0.1), (0.5599, 0.1), (0.05, 0.1)]
    assert store.toxic_texts(ScoreFilter(ALL.where, 1.0), TextChoice(JUDGE, part="continuation"))[1] == 2


def test_outcomes_hold_prompt_continuation_and_worst_sample(store: Store) -> None:
    found = store.prompt_outcomes(ALL, JUDGE)
    rows = sorted(zip(found.prompt, found.of_prompt, found.of_continuation, found.worst, found.samples, strict=True))
    assert [key for (_, key), *_ in rows] == [f"p{i}" for i in range(6)]
    assert np.array([row[1] for row in rows]) == pytest.approx(PROMPTS, nan_ok=True)
    assert [row[2] for row in rows] == list(CONTINUATIONS)
    assert [(round(row[3], 1), row[4]) for row in rows] == [(round(0.4 + i / 10, 1), 5) for i in range(6)]
    cut = store.prompt_outcomes(ALL, JUDGE, limit=2)
    assert (len(cut.prompt), cut.total) == (2, 6)
    assert store.prompt_outcomes(ALL, "another").total == 0


def unscored(store: Store, classifier: str) -> list[str]:
    return [row.run_id for row in store.texts_to_score(ALL.where, classifier)[0]]


def test_one_classifier_speaks_and_what_it_has_not_scored_is_known(store: Store) -> None:
    run = store.measures(ALL.where).run_id[0]
    assert {row.classifier for row in store.toxicity(ALL.where, "linear")} == {JUDGE}
    first, left = store.texts_to_score(ALL.where, limit=4)
    rest, behind = store.texts_to_score(ALL.where, "linear", after=first[-1].run_id)
    assert (len(first), left, len(rest), behind) == (4, 6, 2, 2)
    assert (first[0].prompt, first[0].continuation) == ("The cat 0", " and slept")
    store.save_scores(JUDGE, {run: (ToxicityScore("prompt", "toxic", 0.9, JUDGE),)})
    again = [row for row in store.toxicity(ALL.where, JUDGE) if row.run_id == run]
    assert [(row.part, row.score) for row in again] == [("prompt", 0.9)]  # the old ones are gone
    store.save_scores("other", {key: (ToxicityScore("prompt", "toxic", 0.25, "other"),) for key in unscored(store, "")})
    assert unscored(store, "other") == []
    assert {row.classifier for row in store.toxicity(ALL.where, "other")} == {"other"}  # both judged all: preferred
    assert {row.classifier for row in store.toxicity(ALL.where, "third")} == {JUDGE}
    assert len(store.run(run).findings) == 3
    assert store.check() == []


def test_counts_follow_scores_that_were_added(store: Store) -> None:
    before = store.toxicity_counts(ALL, cuts())
    runs = unscored(store, "other")
    store.save_scores("other", {run: (ToxicityScore("prompt", "toxic", 0.75, "other"),) for run in runs})
    after = store.toxicity_counts(ALL, cuts())
    same = [row for row in after if row.classifier == JUDGE]
    for one, other in zip(before, same, strict=True):
        assert replace(one, mean=0, sd=0, skewness=0) == replace(other, mean=0, sd=0, skewness=0)
        mine, again = ((row.mean, row.sd, row.skewness) for row in (one, other))
        assert mine == pytest.approx(again)  # databases add up in any order
    assert [(row.n, row.over) for row in after if row.classifier == "other"] == [(6, 6)]


def test_a_sample_keeps_pairs_whole(store: Store) -> None:
    for limit in range(1, 7):
        runs = store.measures(RunFilter((Condition("experiment", "eq", "demo"),)), limit)
        assert len(runs) == limit - limit % 2 or limit == 1
        assert runs.total == 6
        if limit > 1:
            assert all(runs.pair_id.count(pair) == 2 for pair in runs.pair_id)


def test_findings_are_sampled_and_counted(store: Store) -> None:
    found = store.finding_sample(ALL.where, "sampled_toxicity", 4)
    assert (len(found.rows), found.total) == (4, 6)
    assert found == store.finding_sample(ALL.where, "sampled_toxicity", 4)
