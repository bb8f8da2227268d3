"""Reads an experiment from a store as prompts with everything measured on them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import PurePath

from headscope.analysis import registry
from headscope.analysis.classifiers.card import card
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.prompt_tags import TEMPLATE, value_of
from headscope.analysis.statistics.regression import Observed
from headscope.analysis.types.findings import PASSED
from headscope.jobs.detection import MOST_RUNS, experiment_runs
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, Measures, RunFilter


def observed(store: RunReader, name: str) -> list[Observed]:
    """The prompts of `EXPERIMENT` or `EXPERIMENT@MODEL` (of a folder its last part will do); of runs of the same
    prompt the newest counts.

    Raises UnknownNameError for an experiment or model that is not there, InputError when it has several models and
    none was said.
    """
    experiment, _, model = name.partition("@")
    known = [row.name for row in store.overview().experiments]
    if experiment not in known:
        raise UnknownNameError("experiment", experiment, known)
    found = list(_newest(_runs(store, experiment_runs(experiment))))
    models = sorted({run.model for run in found})
    if model:
        found = [run for run in found if model in (run.model, PurePath(run.model).name)]
        if not found:
            raise UnknownNameError("model", model, models, f"These have runs in experiment {experiment!r}.")
        models = sorted({run.model for run in found})
    if not found:
        raise InputError(f"experiment {experiment!r} has no finished runs.")
    if len(models) > 1:
        raise InputError(
            f"experiment {experiment!r} has runs of {len(models)} models: say which one, like {experiment}@{models[0]}."
        )
    return found


def _newest(runs: Iterable[Observed]) -> Iterable[Observed]:
    """Run ids sort by the moment they were made."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    return {(run.model, run.prompt_set, run.key): run for run in ordered}.values()


def _runs(store: RunReader, where: RunFilter) -> Iterable[Observed]:
    toxicity = {
        row.run_id: row.score
        for row in store.toxicity(where, card().classifier)
        if (row.part, row.label) == ("continuation", "toxic") and row.score is not None
    }
    verdicts: dict[str, dict[str, bool]] = {}
    for found in store.findings(where, tuple(registry.DETECTORS), limit=MOST_RUNS):
        verdicts.setdefault(found.run_id, {})[found.probe] = found.label != PASSED
    runs = store.measures(where, MOST_RUNS)
    for i, run_id in enumerate(runs.run_id):
        yield _observed(runs, i, toxicity.get(run_id, math.nan), verdicts.get(run_id, {}))
    failed = RunFilter((*where.conditions, Condition("status", "eq", "failed")))
    for row in store.runs_page(failed, limit=MOST_RUNS).rows:
        yield Observed(row.id, row.model, row.prompt_set or "", row.prompt_key, row.text, failed=True)


def _observed(runs: Measures, i: int, toxicity: float, verdicts: dict[str, bool]) -> Observed:
    return Observed(
        run_id=runs.run_id[i],
        model=runs.model[i],
        prompt_set=runs.prompt_set[i] or "",
        key=runs.prompt_key[i],
        text=runs.text[i],
        pair_id=runs.pair_id[i],
        group=runs.group[i],
        target=runs.target[i],
        says=runs.next_token[i],
        target_rank=float(runs.target_rank[i]),
        target_logprob=float(runs.target_logprob[i]),
        margin=float(runs.margin[i]),
        surprisal=float(runs.mean_surprisal[i]),
        n_tokens=float(runs.n_tokens[i]),
        toxicity=toxicity,
        template=value_of(runs.tags[i], TEMPLATE) or "",
        detectors=verdicts,
    )
