"""Runs as scores read them, by the same statement on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.types import Prompt, RunResult
from headscope.storage.read import suite_runs
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
