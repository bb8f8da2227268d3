"""Compares the groups of stored counterfactual pairs and keeps what came of it; no model runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headscope.analysis import bounds
from headscope.analysis.classifiers.card import card
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.counterfactual import contrasts
from headscope.analysis.statistics.effect_rows import EffectRow, effect_row
from headscope.jobs.detection import experiment_runs
from headscope.storage.interfaces import RunReader
from headscope.storage.sinks import FindingSink


@dataclass(frozen=True, slots=True)
class BiasRequest:
    """Compare the groups of `experiment` by one of `headscope.storage.rows.PAIR_MEASURES`."""

    experiment: str
    measure: str = "margin"


@dataclass(frozen=True, slots=True)
class BiasTable:
    """rows: the contrasts, the surest first. runs: how many of `of_runs` they are from (a sample of whole pairs where
    that is less), judged by the classifier `judge`, "" for what a run's own columns give."""

    rows: tuple[EffectRow, ...]
    runs: int
    of_runs: int
    judge: str


def compare(store: RunReader, sink: FindingSink, request: BiasRequest) -> BiasTable:
    """The table of the Bias page, one row per tag; the experiment's older rows of this measure are replaced by it.
    Raises UnknownNameError for an experiment or a measure that is not there, StorageError."""
    names = [row.name for row in store.experiments()]
    if request.experiment not in names:
        raise UnknownNameError("experiment", request.experiment, names)
    read = store.pair_runs(experiment_runs(request.experiment), request.measure, card().classifier)
    rows = tuple(effect_row(request.measure, row) for row in contrasts(read.members))
    sink.save_effects(request.experiment, request.measure, read, rows)
    return BiasTable(rows, len(read), read.total, read.judge)


def as_json(table: BiasTable) -> dict[str, Any]:
    """As a server answers."""
    return asdict(table)


def from_json(found: Mapping[str, Any]) -> BiasTable:
    """Inverse of `as_json`."""
    return BiasTable(**{**found, "rows": tuple(EffectRow(**row) for row in found["rows"])})


def request_of(body: Mapping[str, Any]) -> BiasRequest:
    """From a JSON body. Raises InputError for a value of the wrong type."""
    usual = BiasRequest("")
    return BiasRequest(*(bounds.text(name, body.get(name, value)) for name, value in asdict(usual).items()))
