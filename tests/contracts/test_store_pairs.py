"""Counterfactual pairs are read alike by both databases, whole, and by both ways of reading."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.jobs.detection import experiment_runs
from headscope.storage.read.pairs import SCANNED
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_result, make_set


def test_pairs_are_read_with_what_was_measured(store_url: str) -> None:
    prompts = [
        Prompt(f"{word}-{group}", f"The {group} {word} was", " kind", " rude", group, word, ("age", f"template:{word}"))
        for word in ("cook", "nurse", "pilot")
        for group in ("old", "young")
    ]
    prompts.append(Prompt("alone", "No pair at all", " kind", " rude"))
    results = [make_result(prompt, seed=i) for i, prompt in enumerate(prompts)]
    scores = (ToxicityScore("continuation", "toxic", 0.25, "judge-1"), ToxicityScore("prompt", "toxic", 0.5, "judge-1"))
    tones = (ProbeResult("sentiment", -0.5, "negative", {"classifier": "v"}), ProbeResult("regard", 0.75))
    results[0] = replace(results[0], findings=(*scores, *tones))
    results[1] = replace(results[1], findings=(ProbeResult("sentiment", math.nan, None, {"error": "none"}),))
    with Store.open(store_url) as store:
        job = store.start_job(experiment="people", model="tiny", spec={}, total=len(prompts))
        store.save(job, make_info("tiny"), make_set(*prompts, name="manners"), [], 0, results)
        where = experiment_runs("people")
        runs, everything = store.pair_runs(where, "margin"), store.measures(where)
        found = runs.members
        assert len(runs) == runs.total == 6
        margins = dict(zip(everything.run_id, everything.margin, strict=True))
        assert found.value.tolist() == pytest.approx([margins[run_id] for run_id in found.run_id])
        assert dict(zip(found.text, found.tags, strict=True)) == {
            prompt.text: prompt.tags for prompt in prompts if prompt.pair_id
        }
        assert set(zip(found.model, found.prompt_set, found.pair_id, found.group, strict=True)) == {
            ("tiny", "manners", word, group) for word in ("cook", "nurse", "pilot") for group in ("old", "young")
        }
        cut = store.pair_runs(where, "margin", limit=3)
        assert (len(cut), cut.total) == (2, 6)
        assert len(set(cut.members.pair_id)) == 1
        assert np.isfinite(store.pair_runs(where, "loglik").members.value).all()
        scored = store.pair_runs(where, "toxicity").members
        assert (list(scored.text), scored.value.tolist()) == (["The old cook was"], [0.25])
        sentiment = store.pair_runs(where, "sentiment").members
        assert dict(zip(sentiment.text, sentiment.value.tolist(), strict=True)) == {
            "The old cook was": -0.5, "The young cook was": pytest.approx(math.nan, nan_ok=True)}  # fmt: skip
        assert store.pair_runs(where, "regard").members.value.tolist() == [0.75]
        with pytest.raises(UnknownNameError):
            store.pair_runs(where, "kindness")


def test_newest_pairs_are_two_texts_of_one_experiment_model_and_pair(store_url: str) -> None:
    """One group of all pairs is stored before the other, so that partners lie far apart; copies of a text, a failure
    and a pair of two experiments or two models are none."""
    count = SCANNED + 10
    first, second = (
        [Prompt(f"{i}-{group}", f"The {group} one {i}", " kind", " rude", group, f"pair {i}") for i in range(count)]
        for group in ("old", "young")
    )
    alone = Prompt("alone", "Twice the same", " kind", " rude", "old", "copied")
    lost = [Prompt(f"lost-{group}", f"The lost {group} one", group=group, pair_id="lost") for group in ("old", "young")]
    with Store.open(store_url) as store:
        assert store.newest_pairs() == ()
        job = store.start_job(experiment="people", model="tiny", spec={}, total=2 * count)
        for chosen in (first, second):
            results = [make_result(prompt, seed=0, shape=(1, 1)) for prompt in chosen]
            store.save(job, make_info("tiny"), make_set(*chosen, name="manners"), [], 0, results)
        found = store.newest_pairs()
        expected = [(f"The old one {i}", f"The young one {i}") for i in range(count - 1, count - 13, -1)]
        assert [(older.text, newer.text) for older, newer in found] == expected
        assert {(older.experiment, older.model) == (newer.experiment, newer.model) for older, newer in found} == {True}
        rest = [alone, replace(alone, id="again"), *lost]
        results = [make_result(alone), make_result(rest[1], seed=1), make_result(lost[0]), make_failure(lost[1])]
        store.save(job, make_info("tiny"), make_set(*rest, name="rest"), [], 0, results)
        for experiment, model, prompt in (("apart", "tiny", lost[1]), ("people", "small", lost[1])):
            job = store.start_job(experiment=experiment, model=model, spec={}, total=1)
            store.save(job, make_info(model), make_set(prompt, name="rest"), [], 0, [make_result(prompt)])
        assert store.newest_pairs() == found
        assert store.newest_pairs(3) == found[:3]
        again = store.start_job(experiment="again", model="tiny", spec={}, total=2)
        both = [first[-2], second[-2]]
        results = [make_result(prompt, seed=9) for prompt in both]
        store.save(again, make_info("tiny"), make_set(*both, name="again"), [], 0, results)
        repeated = store.newest_pairs()
        assert [pair[0].text for pair in repeated] == [pair[0].text for pair in (found[1], found[0], *found[2:])]
        assert repeated[0][0].experiment == "again"
        found = repeated
        unequal = [Prompt(f"unequal-{i}", "so " * i + "it was", group=str(i), pair_id="unequal") for i in (0, 1)]
        results = [make_result(prompt) for prompt in unequal]
        store.save(job, make_info("small"), make_set(*unequal, name="rest"), [], 0, results)
        assert store.newest_pairs() == found
        assert [tuple(run.text for run in pair) for pair in store.newest_pairs(SCANNED)][-1] == ("it was", "so it was")
