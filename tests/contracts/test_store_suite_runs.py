"""Runs as scores read them, by the same statement on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.types import Prompt, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult, ToxicityScore
from headscope.storage.read import suite_cases, suite_runs
from headscope.storage.read.suite_runs import ModelRuns
from headscope.storage.repository import Store
from headscope.storage.sql import readonly
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set

NASTY = 'it\'s 100% \\ "mine"; --'


def save(store: Store, experiment: str, model: str, *results: RunResult) -> None:
    prompts = make_set(*(result.prompt for result in results))
    job = store.start_job(experiment=experiment, model=model, spec={}, total=len(results))
    store.save(job, make_info(model), prompts, ("heads",), 0, results)


def read(url: str, experiment: str = NASTY, tag: str = "pararel") -> tuple[ModelRuns, ...]:
    return suite_runs.of_table(readonly.run(url, suite_runs.statement(experiment, tag)).table)


def tagged(key: str, **changes: object) -> Prompt:
    return make_prompt(key, f"The cat sat on {key}", tags=("pararel", "context:7"), **changes)


def test_the_newest_run_of_every_prompt_with_its_arrays(store_url: str) -> None:
    older, newer = make_result(tagged("a"), seed=1), make_result(tagged("a"), seed=2)
    plain = make_result(tagged("b", target=None, foil=None, group=None, pair_id=None), seed=3)
    with Store.open(store_url) as store:
        save(store, NASTY, "tiny", older, plain, make_failure(tagged("c")))
        save(store, NASTY, "tiny", newer)
        save(store, NASTY, "tiny", make_failure(tagged("a"), seed=4))
        save(store, NASTY, "tiny", make_failure(tagged("b"), seed=5))  # its result stays
        save(store, NASTY, "tiny", make_result(make_prompt("d", tags=("bbq",)), seed=6))
        save(store, "other", "tiny", make_result(tagged("e"), seed=7))
    (found,) = read(store_url)
    assert (found.model, found.failed, [run.prompt for run in found.runs]) == ("tiny", 1, ["a", "b"])
    run, trace = found.runs[0], newer.trace
    assert trace is not None
    assert (run.group, run.pair, run.tags, run.target) == ("g", "pair", ("pararel", "context:7"), " and")
    assert (run.target_token, run.target_rank) == (" and", 4)
    np.testing.assert_array_equal(run.logprobs, trace.logprobs)
    np.testing.assert_array_equal(run.char_ends, trace.tokens.char_spans[:, 1])
    assert [text for text, _ in run.candidates] == list(trace.topk_texts[-1])
    assert [value for _, value in run.candidates] == pytest.approx(trace.topk_logprobs[-1].tolist())
    second = found.runs[1]  # the token it explains was predicted, not given
    assert (second.target, second.target_token, second.target_rank, second.group) == (None, None, None, None)


def test_models_apart_and_nothing_where_nothing_is(store_url: str) -> None:
    with Store.open(store_url) as store:
        save(store, NASTY, "b-model", make_result(tagged("a"), seed=1))
        save(store, NASTY, "a-model", make_result(tagged("a"), seed=1), make_result(tagged("b"), seed=2))
    assert [(item.model, len(item.runs)) for item in read(store_url)] == [("a-model", 2), ("b-model", 1)]
    assert read(store_url, "none") == ()
    assert read(store_url, tag="parare") == ()


def test_settings_apart_and_only_the_texts_that_are_asked_about(store_url: str) -> None:
    usual, started = make_result(tagged("a"), seed=1), make_result(tagged("a"), seed=2)
    started = replace(started, capsule={**started.capsule, "start_token": True, "chat": False})
    other = make_result(make_prompt("b", "Another text", tags=("pararel",)), seed=3)
    with Store.open(store_url) as store:
        save(store, NASTY, "tiny", usual, other)
        save(store, NASTY, "tiny", started)
    found = {item.model: item.runs for item in read(store_url)}
    assert {name: len(runs) for name, runs in found.items()} == {"tiny": 2, "tiny, start token": 1}
    assert usual.trace is not None
    np.testing.assert_array_equal(found["tiny"][0].logprobs, usual.trace.logprobs)
    table = readonly.run(store_url, suite_runs.statement(NASTY, "pararel")).table
    asked = suite_runs.of_table(table, {"a": tagged("a").text, "b": "This text"})
    assert [(item.model, [run.prompt for run in item.runs]) for item in asked] == [
        ("tiny", ["a"]), ("tiny, start token", ["a"]),
    ]  # fmt: skip


def sampled(*scores: float | None, seed: int = 0) -> ProbeResult:
    shown = {
        "samples": 2,
        "max_new_tokens": 20,
        "temperature": 1.0,
        "top_p": 0.9,
        "seed": seed,
        "classifier": "judge 1",
    }
    return ProbeResult("sampled_toxicity", 0.5, evidence={"continuations": ["x", "y"], "scores": list(scores), **shown})


def continued(score: float) -> tuple[ToxicityScore, ...]:
    about = ("prompt", "toxic"), ("continuation", "toxic"), ("continuation", "insult")
    return tuple(ToxicityScore(part, label, score, "judge 2") for part, label in about)


def test_toxicity_of_continuations_by_classifier_and_sampling(store_url: str) -> None:
    def found(key: str, seed: int, *findings: Finding) -> RunResult:
        return replace(make_result(tagged(key), seed=seed), findings=findings)

    with Store.open(store_url) as store:
        save(store, NASTY, "tiny", found("a", 1, sampled(0.25, None)), found("b", 1, *continued(0.75)), found("c", 1))
        save(store, NASTY, "tiny", found("a", 2, sampled(0.5, 0.75)), found("b", 2, *continued(0.125)))
        save(store, NASTY, "tiny", found("b", 3, sampled(0.25, 0.5, seed=9)))
    table = readonly.run(store_url, suite_cases.statement(NASTY, "pararel")).table
    scored = {item.model: {case.prompt: case.scores for case in item.cases} for item in suite_cases.of_table(table)}
    how = "tiny, by judge 1, 2 samples of 20 tokens (temperature 1, top-p 0.9, seed {})"
    assert scored == {
        how.format(0): {"a": (0.5, 0.75), "b": (), "c": ()},  # the newest of those settings
        how.format(9): {"a": (), "b": (0.25, 0.5), "c": ()},
        "tiny, by judge 2, continuations of the runs": {"a": (), "b": (0.75, 0.125), "c": ()},
    }
    case = suite_cases.of_table(table, {"a": tagged("a").text})[0].cases
    assert [(item.prompt, item.group, item.tags) for item in case] == [("a", "g", ("pararel", "context:7"))]
