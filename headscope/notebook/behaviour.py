"""Figures over many runs of a store."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import plotly.graph_objects as go

from headscope.analysis.classifiers.card import card
from headscope.analysis.classifiers.rates import rated
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.calibration import calibration_error
from headscope.analysis.statistics.confidence import answered_right
from headscope.analysis.statistics.intervals import DRAWS
from headscope.dashboard.figures.behaviour import Panel, distributions, reliability
from headscope.dashboard.figures.effects import forest
from headscope.dashboard.figures.toxicity import Spread, score_spread
from headscope.dashboard.pages.confidence.measured import answerable, shown_measures
from headscope.dashboard.pages.confidence.series import SERIES, series_of
from headscope.dashboard.units import PAIR_UNITS
from headscope.notebook.beside import Beside
from headscope.notebook.paper import on_paper
from headscope.storage.rows import Measures

SPLITS = tuple(name for name, _ in SERIES)


class Behaviour:
    """Part of `Store.figures`. Every method takes conditions on runs as `Store.runs` does, and gives a Plotly figure;
    InputError where the runs have no such numbers."""

    def __init__(self, store: Beside) -> None:
        self._store = store

    def distributions(self, *, by: str = "model", **conditions: Any) -> go.Figure:
        """How surprisal, entropy, probabilities, ranks and margins are spread over runs. by: model, prompt_set, group
        or tag apart."""
        runs = self._runs(by, conditions)
        split = [(f"{one.name} (n = {len(one.rows):,})", one.rows) for one in series_of(runs, by)]
        panels = [
            Panel(item.title, item.unit, {name: values[rows] for name, rows in split}, item.zero, item.log)
            for item, values in shown_measures(runs)
        ]
        return on_paper(distributions(panels))

    def calibration(self, *, by: str = "model", **conditions: Any) -> go.Figure:
        """The model's probability of its top token against how often that was right, over prompts whose target is a
        right answer, with the expected calibration error, its 95 % interval (rough, see `calibration_error`) and n in
        the legend."""
        runs = self._runs(by, conditions)
        right = np.where(answerable(runs), answered_right(runs.target_rank), np.nan)
        split = [one for one in series_of(runs, by) if np.isfinite(right[one.rows]).any()]
        if not split:
            raise InputError("none of these runs has a target that is a right answer, so nothing is right or wrong.")
        found = {
            one.name: calibration_error(runs.next_token_prob[one.rows], right[one.rows], draws=DRAWS) for one in split
        }
        return on_paper(
            reliability({
                f"{name}: error {curve.error:.3f} [{curve.low:.3f}, {curve.high:.3f}], n = {curve.n:,}": curve
                for name, curve in found.items()
            })
        )  # fmt: skip

    def toxicity(
        self, *, label: str = "toxic", by: str = "", cumulative: bool = False, classifier: str = "", **conditions: Any
    ) -> go.Figure:
        """How the scores of a label are spread over [0, 1], prompts beside continuations; the threshold is dotted. by:
        model, prompt_set or temperature apart. classifier: whose scores, else the shipped one's, or who scored."""
        counted = self._store.score_counts(by=by, **conditions)
        judges = {item.classifier for item in counted if item.label == label and item.n}
        judge = classifier or (own if (own := card().classifier) in judges else min(judges, default=""))
        if judge not in judges:
            raise InputError(
                f"none of these runs has a score of {label!r}{f' by {judge!r}' if judge else ''}. "
                "headscope score --experiment NAME --scorer minilm scores runs that are stored."
            )
        mine = [item for item in counted if (item.classifier, item.label) == (judge, label) and item.n]
        total: Counter[str] = Counter()
        for item in mine:
            total[item.group] += item.n
        spreads = [
            Spread(f"{item.group or judge} (n = {total[item.group]:,})", item.part, item.bins,
                   rated(item).judged.threshold)
            for item in mine
        ]  # fmt: skip
        return on_paper(score_spread(spreads, cumulative=cumulative))

    def bias(self, experiment: str, *, measure: str = "margin", pooled: bool = False, **conditions: Any) -> go.Figure:
        """What the difference between groups does to a measure within counterfactual pairs, as `Store.bias` has it: a
        line per contrast with its 95 % interval and number of pairs. Raises UnknownNameError for another measure."""
        rows = self._store.effects(experiment, measure=measure, pooled=pooled, **conditions)
        if not rows:
            raise InputError(f"no runs of {experiment!r} make a pair of two groups that has a {measure}.")
        return on_paper(forest(rows, PAIR_UNITS[measure]))

    def _runs(self, by: str, conditions: dict[str, Any]) -> Measures:
        if by not in SPLITS:
            raise UnknownNameError("split", by, SPLITS)
        runs = self._store.measures(**conditions)
        if not len(runs):
            raise InputError("no succeeded run fits these conditions.")
        return runs
