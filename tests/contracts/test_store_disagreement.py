"""Where two scorers part, by both databases, against the same worked out from lists."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ToxicityScore
from headscope.jobs.detection import experiment_runs
from headscope.storage.repository import Store
from headscope.storage.rows import ScorerPair
from tests.factories import make_info, make_result, make_set

FIRST = (0.10, 0.56, 0.90, 0.5599, 0.20, math.nan, 0.70)
SECOND = (0.80, 0.50, 0.85, 0.10, 0.20, 0.90, None)
"""One score per prompt; None was not judged, NaN could not be."""
PAIR = ScorerPair("a", "b", 0.56, 0.5)
WHERE = experiment_runs("demo")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    results = []
    for i, (first, second) in enumerate(zip(FIRST, SECOND, strict=True)):
        found = [ToxicityScore("prompt", "toxic", first, "a"), ToxicityScore("prompt", "insult", 0.99, "a")]
        if second is not None:
            found += [ToxicityScore("prompt", "toxic", second, "b"), ToxicityScore("prompt", "toxic", 0.5, "c")]
        if i == 0:
            found += [
                ToxicityScore("continuation", "toxic", 0.3, "a"),
                ToxicityScore("continuation", "toxic", 0.6, "b"),
            ]
        results.append(replace(make_result(Prompt(f"p{i}", f"Text {i}"), seed=i), findings=tuple(found)))
    with Store.open(store_url) as opened:
        job = opened.start_job(experiment="demo", model="tiny", spec={}, total=len(results))
        opened.save(job, make_info("tiny"), make_set(*(r.prompt for r in results)), ["toxicity"], 0, results)
        yield opened


def test_the_largest_difference_comes_first_and_unjudged_texts_do_not(store: Store) -> None:
    pairs = {(f"p{i}", "prompt"): (a, b) for i, (a, b) in enumerate(zip(FIRST, SECOND, strict=True))
             if b is not None and not math.isnan(a)}  # fmt: skip
    pairs["p0", "continuation"] = (0.3, 0.6)
    found = store.disagreements(WHERE, PAIR)
    assert {(row.prompt_key, row.part): (row.first, row.second) for row in found.rows} == pairs
    gaps = [abs(row.first - row.second) for row in found.rows]
    assert gaps == sorted(gaps, reverse=True)
    assert (found.n, found.total) == (len(pairs), len(pairs))
    parted = {key for key, (a, b) in pairs.items() if (a >= 0.56) != (b >= 0.5)}
    assert parted == {("p0", "prompt"), ("p0", "continuation")}
    assert found.apart == len(parted)
    texts = {(row.prompt_key, row.part): row.text for row in found.rows}
    assert texts["p0", "prompt"] == "Text 0"
    assert texts["p0", "continuation"] not in ("", "Text 0")


def test_pages_and_the_texts_on_opposite_sides_only(store: Store) -> None:
    whole = store.disagreements(WHERE, PAIR).rows
    pages = [store.disagreements(WHERE, PAIR, offset=at, limit=2).rows for at in (0, 2, 4)]
    assert [row for page in pages for row in page] == list(whole)
    parted = store.disagreements(WHERE, PAIR, apart=True)
    assert (parted.total, [row.part for row in parted.rows]) == (2, ["prompt", "continuation"])
    other_way = ScorerPair("b", "a", 0.5, 0.56)
    assert [(row.second, row.first) for row in store.disagreements(WHERE, other_way).rows] == [
        (row.first, row.second) for row in whole]  # fmt: skip
    for nothing in (store.disagreements(WHERE, replace(PAIR, second="nobody")),
                    store.disagreements(experiment_runs("other"), PAIR)):  # fmt: skip
        assert (nothing.n, nothing.apart, nothing.rows, nothing.total) == (0, 0, (), 0)
