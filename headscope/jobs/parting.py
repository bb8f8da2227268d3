"""Reads from a store in which layer two experiments part."""

from __future__ import annotations

from collections.abc import Sequence

from headscope.analysis.statistics.first_layer import Parting, parting
from headscope.analysis.statistics.regression import Observed
from headscope.jobs.detection import experiment_runs
from headscope.storage.interfaces import RunReader

MOST = 500
"""Prompts compared; an edit shows in most of them."""


def parted(
    store: RunReader, baseline: Sequence[Observed], candidate: Sequence[Observed], names: tuple[str, str]
) -> Parting:
    """The prompts both have, the first `MOST` in the order of set and key. names: of the experiments, with or without
    a model."""
    formats = {_dtype(store, name, runs) for name, runs in zip(names, (baseline, candidate), strict=True)}
    if len(formats) > 1:
        return Parting(why=f"the number formats differ ({', '.join(sorted(formats))})")
    before, after = ({(run.prompt_set, run.key): run.run_id for run in side} for side in (baseline, candidate))
    keys = sorted(before.keys() & after.keys())[:MOST]
    norms = store.state_norms([side[key] for key in keys for side in (before, after)])
    pairs = [(before[key], after[key]) for key in keys]
    measured = [(norms[a], norms[b]) for a, b in pairs if a in norms and b in norms]
    return parting(measured, formats.pop())


def _dtype(store: RunReader, name: str, runs: Sequence[Observed]) -> str:
    """The number format of most of these runs."""
    settings = store.model_settings(experiment_runs(name.partition("@")[0]))
    return next((row.dtype for row in settings if row.model == runs[0].model), "")
