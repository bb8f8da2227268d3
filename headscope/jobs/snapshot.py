"""Reads an experiment from a store as prompts with everything measured on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Sides:
    """Two experiments as they are compared. judge: the classifier whose toxicity scores both sides have, "" where no
    one judged both; without: why there is no such one, "" where there is or nobody judged at all."""

    baseline: list[Observed]
    candidate: list[Observed]
    judge: str
    without: str = ""


def sides(store: RunReader, baseline: str, candidate: str) -> Sides:
    """Both experiments, with the toxicity scores of one classifier: of those that judged continuations of both, the
    one that judged most (the shipped one of several), never two different ones. Raises what `observed` raises."""
    names = (baseline, candidate)
    both = [observed(store, name) for name in names]
    scores = [_toxicity(store, found, name) for found, name in zip(both, names, strict=True)]
    judged = [{name: len(values) for name, values in side.items()} for side in scores]
    common = judged[0].keys() & judged[1].keys()
    judge = min(common, key=lambda name: (-min(side[name] for side in judged), name != card().classifier, name),
                default="")  # fmt: skip
    for found, side in zip(both, scores, strict=True):
        mine = side.get(judge, {})
        found[:] = [replace(run, toxicity=mine.get(run.run_id, math.nan)) for run in found]
    without = ""
    if not judge and all(judged):
        by = [" and ".join(sorted(side)) for side in judged]
        without = f"the continuations of {baseline} were judged by {by[0]}, those of {candidate} by {by[1]}"
    return Sides(both[0], both[1], judge, without)


def observed(store: RunReader, name: str) -> list[Observed]:
    """The prompts of `EXPERIMENT` or `EXPERIMENT@MODEL` (of a folder its last part will do), without toxicity; of runs
    of the same prompt the newest counts.

    Raises UnknownNameError for an experiment or model that is not there, InputError when it has several models and
    none was said.
    """
    experiment, _, model = name.partition("@")
    known = [row.name for row in store.experiments()]
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


def _toxicity(store: RunReader, found: Sequence[Observed], name: str) -> dict[str, dict[str, float]]:
    """By classifier: the score of `toxic` of the continuation, by run."""
    runs = {run.run_id for run in found}
    scores: dict[str, dict[str, float]] = {}
    for row in store.continuation_toxicity(experiment_runs(name.partition("@")[0])):
        if row.run_id in runs and row.score is not None:
            scores.setdefault(row.classifier, {})[row.run_id] = row.score
    return scores


def _runs(store: RunReader, where: RunFilter) -> Iterable[Observed]:
    verdicts: dict[str, dict[str, bool]] = {}
    for found in store.findings(where, tuple(registry.DETECTORS), limit=MOST_RUNS):
        verdicts.setdefault(found.run_id, {})[found.probe] = found.label != PASSED
    runs = store.measures(where, MOST_RUNS)
    for i, run_id in enumerate(runs.run_id):
        yield _observed(runs, i, verdicts.get(run_id, {}))
    failed = RunFilter((*where.conditions, Condition("status", "eq", "failed")))
    for row in store.runs_page(failed, limit=MOST_RUNS).rows:
        yield Observed(row.id, row.model, row.prompt_set or "", row.prompt_key, row.text, failed=True)


def _observed(runs: Measures, i: int, verdicts: dict[str, bool]) -> Observed:
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
        template=value_of(runs.tags[i], TEMPLATE) or "",
        detectors=verdicts,
    )
