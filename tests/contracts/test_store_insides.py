"""Runs held against each other: what is read of several at once is what is read of each, on both databases."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import sqlalchemy as sa

from headscope.analysis.statistics.flip_evidence import Inside
from headscope.analysis.statistics.regression import Flip
from headscope.jobs.regression import evidence
from tests.factories import make_failure, make_prompt, make_result
from tests.filled_store import Filled, OnEachDatabase, assert_same


def flip(baseline: str, candidate: str, kind: str) -> Flip:
    return Flip(kind, "set", "p", "the cat", " sat", " ran", baseline, candidate, 1.0)


class TestInsides(OnEachDatabase):
    def test_several_at_once_are_what_each_is(self, filled: Filled) -> None:
        whole = [make_result(make_prompt(f"p{i}"), seed=i, evidence=bool(i)) for i in range(3)]
        bare = replace(whole[0], prompt=make_prompt("bare"), trace=None, heads=None, attributions=())
        ids = filled.save(*whole, bare, make_failure(make_prompt("failed")))
        found = filled.store.insides([*ids, str(uuid4()), "no id"])
        assert list(found) == list(ids)
        for run_id in ids:
            run = filled.store.run(run_id)
            scores = tuple(replace(one, receipt=None, head_scores=None) for one in run.attributions)
            assert_same(found[run_id], Inside(run.trace.tokens.texts if run.trace else (), scores, run.heads))

    def test_no_runs_are_none(self, filled: Filled) -> None:
        assert filled.store.insides([]) == {}

    def test_as_many_queries_for_many_runs_as_for_one(self, filled: Filled) -> None:
        ids = filled.save(*(make_result(make_prompt(f"p{i}"), seed=i) for i in range(6)))
        asked: list[str] = []
        sa.event.listen(filled.store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
        filled.store.insides(ids[:1])
        one = len(asked)
        filled.store.insides(ids)
        assert len(asked) == 2 * one

    def test_a_flip_whose_run_is_gone_says_so(self, filled: Filled) -> None:
        (here,) = filled.save(make_result(make_prompt("p")))
        gone = str(uuid4())
        flips = [flip(here, here, "broken"), flip(here, gone, "broken"), flip(here, gone, "failed")]
        found = evidence(filled.store, flips[:2])
        assert found[here, here].heads == ()
        assert found[here, gone].no_tokens == "one of the two runs has been replaced or removed since"
        assert evidence(filled.store, flips[2:])[here, gone].no_heads == "the candidate's run failed"
