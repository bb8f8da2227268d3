"""Stored runs are scored afterwards, on both databases, with the code of the probe and a real classifier."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.probes.sentiment import Sentiment
from headscope.analysis.probes.tone import NO_CONTINUATION
from headscope.analysis.probes.toxicity import Toxicity
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult
from headscope.jobs import scoring
from headscope.jobs.detection import experiment_runs
from headscope.jobs.scoring import ScoreRequest, Step, step
from headscope.storage.notebook import Notebook
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from tests.factories import make_failure, make_info, make_result, make_set

TEXTS = ("The cook was kind", "You are an idiot", "The cook was kind", "...", "Rain fell all day")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    results = [make_result(Prompt(f"p{i}", text), seed=i) for i, text in enumerate(TEXTS)]
    results[4] = replace(results[4], continuation=None)
    results.append(make_failure(Prompt("p5", "")))
    with Store.open(store_url) as opened:
        job = opened.start_job(experiment="demo", model="tiny", spec={}, total=len(results))
        opened.save(job, make_info("tiny"), make_set(*(r.prompt for r in results)), ["heads"], 0, results)
        yield opened


def details(store: Store) -> list[RunDetail]:
    rows, _ = store.texts_to_score(experiment_runs("demo"))
    return [store.run(row.run_id) for row in rows]


def run(
    store: Store, asked: list[tuple[str, int, int]], scorer: str = "linear", *, again: bool = False, stop: bool = False
) -> scoring.Scored:
    engine, request = InlineEngine(), ScoreRequest("demo", scorer, again)

    def one(request: ScoreRequest) -> Step:
        return step(engine, store, store, request)

    return scoring.score(one, request, lambda *now: asked.append(now), lambda: stop)


def test_scores_are_those_of_the_probe_at_run_time(store: Store) -> None:
    done = run(store, asked := [])
    assert (done.classifier, done.runs, done.finished) == (classifier("linear").name, 5, True)
    assert asked == [("scoring", 5, 5)]
    for detail in details(store):
        result = replace(make_result(Prompt("p", detail.row.text)), continuation=detail.continuation)
        (expected,) = Toxicity().score(None, [result], {"classifier": "linear"})  # type: ignore[arg-type]
        assert [replace(found, score=0) for found in detail.findings] == [replace(e, score=0) for e in expected]
        np.testing.assert_allclose([f.score for f in detail.findings], [e.score for e in expected], rtol=1e-6)
    assert sum(len(detail.findings) for detail in details(store)) == 9
    assert store.check() == []


def test_what_is_scored_is_left_alone_until_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 2)
    first = run(store, asked := [], stop=True)
    assert (first.runs, first.finished, asked) == (2, False, [("scoring", 2, 5)])  # what was scored is kept
    assert run(store, asked := []).runs == 3
    assert asked == [("scoring", 2, 3), ("scoring", 3, 3)]
    assert run(store, []).runs == 0
    before = store.toxicity(experiment_runs("demo"), "")
    assert run(store, asked := [], again=True).runs == 5
    assert asked == [("scoring", n, 5) for n in (2, 4, 5)]
    assert store.toxicity(experiment_runs("demo"), "") == before


def test_what_is_called_toxic_is_explained_when_all_is_scored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "EXPLAINED_AT_ONCE", 1)
    whole = {text: Toxicity().score(None, [replace(make_result(Prompt("p", text)), continuation=None)],
                                    {"classifier": "minilm"})[0] for text in TEXTS}  # type: ignore[arg-type]  # fmt: skip
    toxic = [text for text, found in whole.items() if found[0].evidence]
    assert "You are an idiot" in toxic
    stopped = run(store, asked := [], "minilm", stop=True)
    assert (stopped.runs, stopped.explained) == (5, 0)
    assert not any(found.evidence for detail in details(store) for found in detail.findings)
    done = run(store, asked := [], "minilm")  # the same command goes on
    assert (done.runs, done.explained, done.finished) == (0, len(toxic), True)
    assert asked == [("explaining", n, len(toxic)) for n in range(1, len(toxic) + 1)]
    for detail in details(store):
        assert detail.findings[0].evidence == whole[detail.row.text][0].evidence
    assert run(store, asked := [], "minilm").explained == 0
    assert run(store, asked := [], "minilm", again=True).explained == len(toxic)


def test_sentiment_is_that_of_the_probe_at_run_time_and_beside_other_scores(store: Store) -> None:
    run(store, [])
    before = store.toxicity(experiment_runs("demo"), "")
    done = run(store, asked := [], "sentiment")
    assert (done.classifier, done.runs, asked) == ("vader-3.3.2", 5, [("scoring", 5, 5)])
    found = {}
    for detail in details(store):
        result = replace(make_result(Prompt("p", detail.row.text)), continuation=detail.continuation)
        (expected,) = Sentiment().score(None, [result], {})  # type: ignore[arg-type]
        stored = [one for one in detail.findings if isinstance(one, ProbeResult)]
        assert [(one.probe, one.label, dict(one.evidence)) for one in stored] == [
            (one.probe, one.label, dict(one.evidence)) for one in expected if isinstance(one, ProbeResult)
        ]
        found[detail.row.text] = (stored[0].score, stored[0].evidence)
    assert math.isnan(found["Rain fell all day"][0])
    assert found["Rain fell all day"][1]["error"] == NO_CONTINUATION
    assert found["You are an idiot"][1]["prompt"] < -0.3
    assert run(store, [], "sentiment").runs == 0  # those without a continuation are done too
    assert run(store, [], "sentiment", again=True).runs == 5
    assert len(store.findings(experiment_runs("demo"), ("sentiment",))) == 5
    assert store.toxicity(experiment_runs("demo"), "") == before
    assert store.check() == []


def test_what_cannot_be_scored_is_refused(store: Store) -> None:
    for request, says in ((ScoreRequest("other", "linear"), "demo"), (ScoreRequest("demo", "bert"), "sentiment")):
        with pytest.raises(UnknownNameError, match=says):
            step(InlineEngine(), store, store, request)
    with pytest.raises(InputError, match="again must be true or false"):
        scoring.request_of({"experiment": "demo", "again": 1})


def test_a_notebook_has_the_rates(store: Store) -> None:
    run(store, [])
    url = store.url
    store.close()
    with Notebook(url) as book:
        frame = book.toxicity_rates("demo").set_index("part")
        apart = book.toxicity_rates("demo", percent=5, by="temperature")
        assert len(book.toxicity_rates("other")) == 0
    assert frame.loc["prompt", "n"] == 4
    assert frame.loc["prompt", "unscored"] == 1  # "..." has no letter
    assert frame.loc["continuation", "n"] == 4
    assert (frame["threshold"] == 0.5).all()
    assert (frame["corrected_high"] > frame["corrected"]).all()
    assert (frame["positives"] > 1000).all()
    groups = apart[apart["part"] == "prompt"].set_index("group")["n"].to_dict()
    assert {float(name or "nan"): n for name, n in groups.items() if name} == {0.5: 3}
    assert groups[""] == 1
