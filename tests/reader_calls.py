"""A question of each kind that a store's reader answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from headscope.analysis.classifiers.rates import cuts
from headscope.analysis.types.certificate import CertificateKey
from headscope.storage.interfaces import RunReader
from headscope.storage.read.subjects import SUBJECTS
from headscope.storage.rows import (
    PAIR_MEASURES,
    Condition,
    FailureFilter,
    RunFilter,
    ScoreFilter,
    ScorerPair,
    Sort,
    TextChoice,
)
from headscope.storage.rows.models import Sides

ALL, MINE = RunFilter(), RunFilter((Condition("experiment", "eq", "it's"),))
MATCHING = RunFilter((Condition("text", "contains", "'"), Condition("tags", "in", ("a",))), "text")
SCORED = ScoreFilter(MINE)
PAIR = ScorerPair("minilm-toxicity-2", "x", 0.5, 0.5)
READ: dict[str, Callable[[RunReader, str], Any]] = {
    "overview": lambda store, run_id: store.overview(),
    "experiments": lambda store, run_id: store.experiments(),
    **{f"experiments_with {name}": lambda store, run_id, name=name: store.experiments_with(name) for name in SUBJECTS},
    "runs_page": lambda store, run_id: store.runs_page(MATCHING, [Sort("margin", True)], 0, 2),
    "count": lambda store, run_id: [store.count(where) for where in (ALL, MINE, MATCHING)],
    "facets": lambda store, run_id: store.facets(MATCHING, ("model", "prompt_set", "tags", "status", "experiment")),
    "ids_sql": lambda store, run_id: store.ids_sql(MATCHING),
    "details": lambda store, run_id: [replace(run, certificate=None) for run in store.details([run_id, "nonsense"])],
    "run": lambda store, run_id: replace(store.run(run_id), certificate=None),
    "insides": lambda store, run_id: store.insides([run_id]),
    "runs": lambda store, run_id: store.runs([run_id, "nonsense"]),
    "attention": lambda store, run_id: store.attention(run_id),
    **{f"method_stats {by}": lambda store, run_id, by=by: store.method_stats(MATCHING, by_prompt_set=by)
       for by in (False, True)},
    "method_gains": lambda store, run_id: store.method_gains(MINE),
    "method_failures": lambda store, run_id: store.method_failures(ALL),
    "receipts": lambda store, run_id: store.receipts(MATCHING, unconverged=True),
    "position_scores": lambda store, run_id: store.position_scores(MINE, 2),
    "head_stats": lambda store, run_id: [store.head_stats(where) for where in (ALL, MINE, MATCHING)],
    "head_runs": lambda store, run_id: store.head_runs(MINE, 1, 1),
    "measures": lambda store, run_id: store.measures(MATCHING),
    **{f"pair_runs {measure}": lambda store, run_id, measure=measure: store.pair_runs(MINE, measure)
       for measure in PAIR_MEASURES},
    "newest_pairs": lambda store, run_id: store.newest_pairs(2),
    "models_beside": lambda store, run_id: store.models_beside(Sides("tiny", "tiny", "it's", "it's", ALL)),
    "flips": lambda store, run_id: store.flips(Sides("tiny", "tiny", "", "", MATCHING)),
    "model_settings": lambda store, run_id: store.model_settings(ALL),
    "lens_ranks": lambda store, run_id: store.lens_ranks(MINE),
    "state_norms": lambda store, run_id: store.state_norms([run_id]),
    "findings": lambda store, run_id: store.findings(ALL, ["toxicity"]),
    "detector_counts": lambda store, run_id: store.detector_counts(ALL),
    "failures_page": lambda store, run_id: store.failures_page(FailureFilter(MATCHING)),
    "failure_facets": lambda store, run_id: store.failure_facets(FailureFilter(MINE)),
    "passing_runs": lambda store, run_id: store.passing_runs(run_id, "repetition"),
    "finding_sample": lambda store, run_id: store.finding_sample(ALL, "toxicity"),
    **{f"toxicity_counts {by}": lambda store, run_id, by=by: store.toxicity_counts(SCORED, cuts(20), by)
       for by in ("", "temperature")},
    "toxic_texts": lambda store, run_id: store.toxic_texts(SCORED, TextChoice("x")),
    "prompt_outcomes": lambda store, run_id: store.prompt_outcomes(SCORED, "x"),
    "toxicity": lambda store, run_id: store.toxicity(ALL, "x"),
    "continuation_toxicity": lambda store, run_id: store.continuation_toxicity(ALL),
    "disagreements": lambda store, run_id: store.disagreements(ALL, PAIR),
    "texts_to_score": lambda store, run_id: store.texts_to_score(MATCHING, "new", run_id),
    "texts_to_explain": lambda store, run_id: store.texts_to_explain(ALL, "x", 0.1),
    "offensive": lambda store, run_id: store.offensive([run_id]),
    "column_reach": lambda store, run_id: store.column_reach(),
    "column_spread": lambda store, run_id: store.column_spread(MATCHING, "margin", "tags"),
    "column_bins": lambda store, run_id: store.column_bins(ALL, "n_tokens", "group_name", log=True),
    "column_steps": lambda store, run_id: store.column_steps(ALL, "margin"),
    "column_pairs": lambda store, run_id: store.column_pairs(MINE, "margin", "n_tokens", "model", 2),
    "certificate": lambda store, run_id: store.certificate(CertificateKey(*"abcdef")),
    "job": lambda store, run_id: store.job(str(store.jobs()[0].id)),
    "jobs": lambda store, run_id: store.jobs(),
    "unfinished_jobs": lambda store, run_id: store.unfinished_jobs(),
}  # fmt: skip
