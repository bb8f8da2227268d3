"""Findings, detections and triage on both databases."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.jobs.detection import detect, experiment_runs
from headscope.jobs.siblings import nearest_passing
from headscope.storage.repository import Store
from headscope.storage.rows import FailureFilter, ModelSettings
from tests.factories import make_info, make_prompt, make_result, make_set

FINDINGS = (
    ToxicityScore("prompt", "toxic", 0.1, "judge-1", {"tokens": ["a"], "scores": [0.5]}),
    ToxicityScore("continuation", "toxic", 0.9375, "judge-1"),
    ProbeResult("harmless_edits", 0.75, None, {"edits": [{"edit": "typo", "changed": True}]}),
    ProbeResult("self_consistency", math.nan, None, {"error": "none"}),
)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    prompts = (
        make_prompt("p0", "The cat sat", group=None, pair_id=None),
        Prompt("p1", "The dog sat", " and", " but", "negative", "pair"),
        Prompt("p2", "The dog did not sit", " and", " but", "affirmative", "pair"),
    )
    results = [replace(make_result(prompt, seed=i), findings=FINDINGS) for i, prompt in enumerate(prompts)]
    with Store.open(store_url) as opened:
        job = opened.start_job(experiment="demo", model="tiny", spec={}, total=3)
        opened.save(job, make_info("tiny"), make_set(*prompts), ["toxicity"], 0, results)
        yield opened


def parts(finding: ToxicityScore | ProbeResult) -> tuple[object, ...]:
    """As text NaN equals itself; PostgreSQL sorts the keys of JSON."""
    name = finding.part if isinstance(finding, ToxicityScore) else finding.probe
    return name, finding.label, finding.score, sorted(finding.evidence.items())


def test_findings_come_back_and_unmeasured_stays_unmeasured(store: Store) -> None:
    run = store.measures(experiment_runs("demo")).run_id[0]
    found = store.run(run).findings
    assert sorted(map(str, map(parts, found))) == sorted(map(str, map(parts, FINDINGS)))
    rows = store.findings(experiment_runs("demo"), ("self_consistency", "harmless_edits"))
    assert [row.score for row in rows] == [0.75] * 3 + [None] * 3
    scores = store.toxicity(experiment_runs("demo"), "judge-1")
    assert len(scores) == 6
    assert {row.score for row in scores if row.part == "continuation"} == {0.9375}
    assert store.toxicity(experiment_runs("other"), "judge-1") == ()
    assert store.check() == []


def test_runs_are_counted_by_how_they_were_computed(store: Store) -> None:
    one = make_result(make_prompt("p9", "A hen sat"), seed=9)
    one = replace(one, capsule={"device": "cuda", "chat": True, "start_token": True})
    job, info = store.start_job(experiment="demo", model="tiny", spec={}, total=2), make_info("tiny")
    half = replace(info, ref=replace(info.ref, dtype="bfloat16"))
    store.save(job, half, make_set(one.prompt, name="more"), [], 0, [one])
    off = replace(make_result(make_prompt("p8", "A cock sat"), seed=8), capsule={"interventions": ["mlp:1:zero"]})
    store.save(job, half, make_set(off.prompt, name="off"), [], 0, [off])
    first, *others = store.model_settings(experiment_runs("demo"))
    second, third = sorted(others, key=lambda found: found.changed)
    assert third == ModelSettings("tiny", "bfloat16", "", False, False, 1, changed=True)
    assert (first.model, first.dtype, first.start_token, first.chat, first.n_runs) == (
        "tiny",
        "float32",
        False,
        False,
        3,
    )
    assert second == ModelSettings("tiny", "bfloat16", "cuda", True, True, 1)
    assert store.model_settings(experiment_runs("other")) == ()


def test_runs_served_again_keep_their_findings(store: Store) -> None:
    runs = store.measures(experiment_runs("demo"))
    prompts = make_set(*(Prompt(key, text) for key, text in zip(runs.prompt_key, runs.text, strict=True)))
    job = store.start_job(experiment="again", model="tiny", spec={}, total=3)
    store.reuse(job, prompts, dict(zip(runs.prompt_key, runs.run_id, strict=True)))
    assert len(store.toxicity(experiment_runs("again"), "judge-1")) == 6
    assert store.check() == []


def test_measures_are_the_runs_as_columns(store: Store) -> None:
    runs = store.measures(experiment_runs("demo"))
    assert (len(runs), runs.total) == (3, 3)
    assert set(runs.group) == {None, "negative", "affirmative"}
    for index, run_id in enumerate(runs.run_id):
        (row,) = store.runs([run_id])
        assert (runs.text[index], runs.target[index], runs.tags[index]) == (row.text, row.target, row.tags)
        assert runs.margin[index] == row.margin
        assert runs.next_token_prob[index] == row.next_token_prob
    assert len(store.measures(experiment_runs("nothing"))) == 0
    ranks = store.lens_ranks(experiment_runs("demo"))
    assert {row.ranks.shape for row in ranks} == {row.target.shape for row in ranks} == {(4,)}
    stored = {row.run_id: store.run(row.run_id).layers for row in ranks}
    for row in ranks:
        assert row.has_answer == (store.runs([row.run_id])[0].target is not None)
        np.testing.assert_array_equal(row.target, stored[row.run_id].lens_target_rank)  # type: ignore[union-attr]


def test_norms_of_states_are_those_of_the_run(store: Store) -> None:
    ids = store.measures(experiment_runs("demo")).run_id
    norms = store.state_norms([*ids, "no id", "00000000-0000-7000-8000-000000000000"])
    assert set(norms) == set(ids)
    for run_id in ids:
        layers = store.run(run_id).layers
        assert layers is not None
        assert np.array_equal(norms[run_id].residual, layers.residual_norms)
        assert np.array_equal(norms[run_id].attention, layers.attn_update_norm)


def test_detections_are_replaced_and_triage_stays(store: Store) -> None:
    where = experiment_runs("demo")
    assert detect(store, where) > 0
    rows, total = store.failures_page(FailureFilter(where))
    assert store.failures_page(FailureFilter(where), offset=total + 5) == ((), total)  # a page beyond the last
    assert total == len(rows) > 0
    assert [row.severity for row in rows] == sorted((r.severity for r in rows), key=["high", "medium", "low"].index)
    edit = next(row for row in rows if row.detector == "harmless_edit")
    assert (edit.severity, edit.score, edit.status) == ("high", 0.75, "open")
    assert edit.evidence == {"edits": [{"edit": "typo", "changed": True}]}
    store.triage(edit.run_id, "harmless_edit", "confirmed", "seen it", ("typos",), "ana")
    store.triage(edit.run_id, "harmless_edit", "dismissed", "not so bad", (), "ben")
    before = store.detector_counts(where)
    detect(store, where)
    assert store.detector_counts(where) == before
    (mine,), count = store.failures_page(FailureFilter(where, "harmless_edit", status="dismissed"))
    assert (count, mine.note, mine.who, mine.triage_tags) == (1, "not so bad", "ben", ())
    assert store.failures_page(FailureFilter(where, severities=("low",), status="dismissed"))[1] == 0
    assert sum(item.n for item in before if item.detector == "harmless_edit") == 3


def test_tags_are_counted_and_narrow_by_the_newest_judgement(store: Store) -> None:
    where = experiment_runs("demo")
    detect(store, where)
    rows, total = store.failures_page(FailureFilter(where))
    a, b = rows[0], rows[-1]
    assert store.failure_facets(FailureFilter(where)).triage_tags == ()
    store.triage(a.run_id, a.detector, "open", "", ("old",), "ana")
    store.triage(a.run_id, a.detector, "confirmed", "", ("typos", "50% of_it"), "ana")
    store.triage(b.run_id, b.detector, "open", "", ("typos",), "ben")
    facets = store.failure_facets(FailureFilter(where))
    assert [(item.value, item.count) for item in facets.triage_tags] == [("typos", 2), ("50% of_it", 1)]
    assert {item.value: item.count for item in facets.tags} == Counter(tag for row in rows for tag in row.tags)
    for tag, expected in (("typos", {(a.run_id, a.detector), (b.run_id, b.detector)}),
                          ("50% of_it", {(a.run_id, a.detector)}), ("old", set()), ("typo", set())):  # fmt: skip
        found, count = store.failures_page(FailureFilter(where, triage_tag=tag))
        assert {(row.run_id, row.detector) for row in found} == expected
        assert count == len(expected)
    open_ones = store.failure_facets(FailureFilter(where, status="open", triage_tag="typos"))
    assert [(item.value, item.count) for item in open_ones.triage_tags] == [("typos", 1)]
    judged = store.failures_page(FailureFilter(where, triage_tag="50% of_it"))[0][0]
    assert judged.judged_at is not None
    assert abs((datetime.now(UTC) - judged.judged_at).total_seconds()) < 3600
    assert total == len(rows)


def test_the_nearest_run_that_passed_is_of_the_pair_before_it_is_alike(store: Store) -> None:
    texts = {"f": "The dog sat down", "near": "The dog sat down!", "pair": "Nothing alike", "far": "A hen ran away"}
    results = []
    for i, (key, text) in enumerate(texts.items()):
        label = "high" if key == "f" else "passed"
        pair = "one" if key in ("f", "pair") else None
        made = make_result(Prompt(key, text, " and", " but", pair_id=pair), seed=20 + i)
        results.append(replace(made, findings=(ProbeResult("harmless_edit", 0.5, label),)))
    job = store.start_job(experiment="kin", model="tiny", spec={}, total=4)
    store.save(job, make_info("tiny"), make_set(*(r.prompt for r in results)), [], 0, results)
    ids = {row.prompt_key: row.id for row in store.runs_page(experiment_runs("kin")).rows}
    found, total = store.passing_runs(ids["f"], "harmless_edit")
    assert (found[0].run_id, total) == (ids["pair"], 3)
    assert {row.run_id for row in found} == {ids[key] for key in ("near", "pair", "far")}
    assert store.passing_runs(ids["f"], "harmless_edit", 1)[1] == 3
    assert store.passing_runs(ids["f"], "agreement_broken") == ((), 0)
    kin = nearest_passing(store, ids["f"], "harmless_edit")
    assert kin is not None
    assert (kin.run_id, kin.own_pair, kin.looked, kin.of) == (ids["pair"], True, 3, 3)
    assert nearest_passing(store, ids["f"], "agreement_broken") is None
    with pytest.raises(UnknownNameError):
        store.passing_runs("01a20a6b-0000-7000-8000-000000000000", "harmless_edit")


def test_a_judgement_needs_a_known_word_and_a_known_run(store: Store) -> None:
    run = store.measures(experiment_runs("demo")).run_id[0]
    with pytest.raises(InputError, match="open, confirmed, dismissed"):
        store.triage(run, "harmless_edit", "maybe", "", (), "ana")
    with pytest.raises(UnknownNameError):
        store.triage("01a20a6b-0000-7000-8000-000000000000", "harmless_edit", "open", "", (), "ana")
