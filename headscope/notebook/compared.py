"""Figures that compare: methods, runs, models; and charts of any column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.calibration_pairs import reliability
from headscope.dashboard.figures.behaviour import reliability as reliability_figure
from headscope.dashboard.figures.effects import Estimate, estimates
from headscope.dashboard.figures.grids import Grid, grid_figure
from headscope.dashboard.pages.compare.across_measures import MEASURES as ACROSS
from headscope.dashboard.pages.compare.across_measures import measured
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.methods.gains import intervals, of
from headscope.dashboard.pages.methods.query import MEASURES, label
from headscope.dashboard.pages.methods.rows import sampled
from headscope.dashboard.text import short
from headscope.dashboard.words import plural
from headscope.notebook.beside import Beside, named
from headscope.notebook.paper import on_paper
from headscope.notebook.tables import Kind, drawn_said
from headscope.storage.notebook import where_of
from headscope.storage.rows.models import Sides


class Compared:
    """Part of `Store.figures`. `conditions` on runs are as in `Store.runs`."""

    def __init__(self, store: Beside) -> None:
        self._store = store

    def methods(self, *, unconverged: bool = False, **conditions: Any) -> go.Figure:
        """The leaderboard of `Store.methods`: each method's gain over random orders (nats) with its 95 % interval."""
        reader, where = self._store.reader, where_of(conditions)
        gains = intervals(reader.method_gains(where, unconverged=unconverged))
        stats = reader.method_stats(where, unconverged=unconverged)
        rows = [(row, of(gains, row)["over_random"]) for row in stats if row.n_receipts]
        if not rows:
            raise InputError("no attribution of these runs has a receipt, which says what its removal does.")
        lines = [
            Estimate(label(row.method), gain.mean, gain.low, gain.high, plural(row.n_receipts, "receipt"))
            for row, gain in rows
        ]
        return on_paper(estimates(lines, "gain over random orders", "nats"))

    def agreement(
        self, measure: str = "tau", *, top: int = 3, unconverged: bool = False, **conditions: Any
    ) -> go.Figure:
        """Every method with every other, means over prompts: `tau`, `overlap` of the top tokens, or `signs`; their
        intervals are in `Store.agreement`."""
        if measure not in MEASURES:
            raise UnknownNameError("measure", measure, MEASURES)
        found = self._store.comparison(top=top, unconverged=unconverged, **conditions)
        if len(found.methods) < 2:
            raise InputError("fewer than two methods have one score per token in these runs.")
        names = tuple(map(label, found.methods))
        values = found.measure(measure).mean.copy()
        np.fill_diagonal(values, np.nan)  # a method agrees with itself
        texts = [["" if np.isnan(value) else f"{value:.2f}" for value in row] for row in values]
        grid = Grid(
            values, names, names, "method", "method", MEASURES[measure], measure == "tau", texts, downwards=True
        )
        return on_paper(grid_figure(grid), sampled(found))

    def chart(
        self, x: str, y: str = "", *, kind: Kind | Literal[""] = "", by: str = "", log: bool = False, **conditions: Any
    ) -> go.Figure:
        """What `Store.chart` has, drawn."""
        found = self._store.drawn(x, y, kind=kind, by=by, log=log, **conditions)
        return on_paper(found.figure, drawn_said(found))

    def compare(self, run_ids: Sequence[str], measure: str = "divergence", *, minus: bool = False) -> go.Figure:
        """Two to twenty runs in one measure, run by word of the first: `divergence` of what comes next (bits, at
        least), `surprisal` (bits), `attribution`, `attention` of the last token, `lens`. minus: less the first run's.
        """
        if measure not in ACROSS:
            raise UnknownNameError("measure", measure, ACROSS)
        reader, many = self._store.aligned(run_ids)
        found, _ = measured(reader, replace(CompareQuery(), across=measure, minus=minus), many)
        if not np.isfinite(found.values).any():
            raise InputError(f"{ACROSS[measure].lower()} was not measured in these runs.")
        words = tuple(short(word) for word in found.words)
        return on_paper(
            grid_figure(Grid(found.values, found.runs, words, "run", "word", found.unit, found.signed, downwards=True))
        )

    def models(
        self, first: str, second: str, *, first_experiment: str = "", second_experiment: str = "", **conditions: Any
    ) -> go.Figure:
        """Both reliability diagrams of `Store.models_beside`, over prompts that both ran and whose target is a right
        answer: error, interval and n in the legend."""
        names = named(first, first_experiment, second, second_experiment)
        sides = Sides(first, second, first_experiment, second_experiment, where_of(conditions))
        beside = self._store.reader.models_beside(sides)
        if not beside.measured["overconfidence"].n:
            raise InputError("no prompt with a right answer was run on both models.")
        curves = zip(names, reliability(beside.cells), strict=True)
        return on_paper(reliability_figure({
            f"{name}: error {curve.error:.3f} [{curve.low:.3f}, {curve.high:.3f}], n = {curve.n:,}": curve
            for name, curve in curves
        }))  # fmt: skip
