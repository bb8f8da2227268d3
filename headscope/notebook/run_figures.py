"""The figures of one run. What was not measured is an error that says how to measure it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import TokenTrace
from headscope.dashboard.figures.attributions import TokenScores, token_scores
from headscope.dashboard.figures.confidence import confidence_figure, confidence_info
from headscope.dashboard.figures.grids import Grid, grid_figure
from headscope.dashboard.figures.layers import formation_figure, norms_figure
from headscope.dashboard.head_stats import STATS, head_stats
from headscope.dashboard.pages.run.attributions import MethodView, method_views
from headscope.dashboard.pages.run.grids import GridView, grid_arrays, grid_views
from headscope.dashboard.text import short
from headscope.notebook.paper import on_paper
from headscope.storage.rows import RunDetail

Measured = TypeVar("Measured")
Attention = NDArray[np.float16]


class RunFigures:
    """Made by `Run.figures`. Every method gives a Plotly figure; InputError where its numbers were not measured."""

    def __init__(self, detail: RunDetail, attention: Callable[[], Attention | None]) -> None:
        self._run, self._attention = detail, attention

    def surprisal(self) -> go.Figure:
        """Surprisal of each token and entropy before it, in bits."""
        return on_paper(confidence_figure(confidence_info(self._trace())))

    def formation(self) -> go.Figure:
        """Layer by layer, probability and rank of what the model ends with (and of target and foil) under the logit
        lens, and its distance from the final distribution."""
        layers = self._measured(self._run.layers, "layers")
        return on_paper(formation_figure(layers, self._run.row.next_token or "", self._run.target))

    def norms(self) -> go.Figure:
        """Layer by layer, lengths of the residual stream and of what attention and MLP add to it."""
        return on_paper(norms_figure(self._measured(self._run.layers, "layers")))

    def lens(self) -> go.Figure:
        """The logit lens: what each layer would say after each token, and how probable it finds it."""
        lens = self._measured(self._run.lens, "logit_lens")
        texts = [[short(text, 9) for text in row] for row in lens.top_texts]
        layers = _numbers(len(lens.top_probs))
        return _grid(Grid(lens.top_probs, layers, self._labels(), "layer", "token", "probability", False, texts))

    def heads(self, statistic: str = "entropy") -> go.Figure:
        """One statistic of every attention head (`headscope.analysis.types.HEAD_STATS`): where heads look, which is no
        explanation. Raises UnknownNameError for another statistic."""
        if statistic not in STATS:
            raise UnknownNameError("head statistic", statistic, STATS)
        found = head_stats(self._measured(self._run.heads, "heads")).get(statistic)
        if found is None:
            raise InputError(f"{statistic} is not defined for any head of this run: {STATS[statistic][2]}")
        n_layers, n_heads = found.values.shape
        unit = " ".join(filter(None, (found.label, found.unit and f"({found.unit})")))
        return _grid(Grid(found.values, _numbers(n_layers), _numbers(n_heads), "layer", "head", unit, False))

    def attributions(self) -> go.Figure:
        """Each method's score of every token, with the verdict of its receipt. Of a run that explains its continuation
        see `sources`."""
        views = [view for view in self._methods() if view.strip and view.error is None and view.scores.ndim == 1]
        if not views:
            raise InputError(
                "no method of this run has one score per token: add one to --analyses of headscope run, like occlusion."
            )
        rows = [TokenScores(view.label, view.unit, view.scores, view.errors, evidence(view)) for view in views]
        return on_paper(token_scores(rows, self._labels()))

    def sources(self, method: str) -> go.Figure:
        """What each token of prompt and continuation has to do with every generated token, by one method."""
        views = [view for view in self._methods() if view.scores.ndim == 2 and view.error is None]
        view = _of(method, {view.method: view for view in views}, "method over a continuation")
        texts = self._measured(self._run.continuation, "continuation").texts
        generated = tuple(map(short, texts))
        return _grid(
            Grid(view.scores, generated, (*self._labels(), *generated)[: view.scores.shape[1]], "explained", "token",
                 view.unit, view.signed, downwards=True)
        )  # fmt: skip

    def effects(self, method: str) -> go.Figure:
        """What every head does to the answer, by one method that says so, like direct_logit_attribution or
        head_ablation."""
        return _heads(*self._effects(method, "heads"))

    def layers(self, method: str) -> go.Figure:
        """Layer by token, by one method that says so: what patching an activation brings back (activation_patching), or
        where in the layers the evidence enters."""
        view, values = self._effects(method, "layers")
        return _grid(
            Grid(values, view.rows, self._labels()[: values.shape[1]], "layer", "token", view.unit, view.signed)
        )

    def components(self, method: str) -> go.Figure:
        """What every head and, last, the MLP of each layer adds to the answer, by a method whose parts add up to it."""
        view, values = self._effects(method, "components")
        return _grid(Grid(values, view.rows, view.columns, "layer", "part", view.unit, view.signed))

    def attention(self, layer: int, head: int) -> go.Figure:
        """Weights of one head: each row a token that looks, each column one that is looked at. Raises InputError for
        a layer or head that is not there."""
        weights = self._attention()
        if weights is None:
            raise InputError(f"this run has no attention stored. {_how('attention')}")
        n_layers, n_heads = weights.shape[:2]
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise InputError(f"there are layers 0 to {n_layers - 1} and heads 0 to {n_heads - 1}, no {layer}.{head}.")
        shown, labels = weights[layer, head].astype(np.float64), self._labels()
        seen = np.where(np.tri(*shown.shape, dtype=np.bool_) | (shown > 0), shown, np.nan)
        return _grid(Grid(seen, labels, labels, "query", "key", "weight", False, downwards=True))

    def effect_methods(self, kind: str = "heads") -> tuple[str, ...]:
        """The methods that `effects` (or, by kind, `layers` or `components`) can draw."""
        return tuple(dict.fromkeys(view.method for view in self._grids() if view.kind == kind))

    def source_methods(self) -> tuple[str, ...]:
        """The methods that `sources` can draw."""
        return tuple(view.method for view in self._methods() if view.scores.ndim == 2 and view.error is None)

    def _effects(self, method: str, kind: str) -> tuple[GridView, NDArray[np.float32]]:
        views = {view.method: view for view in self._grids() if view.kind == kind}
        view = _of(method, views, f"method of {kind}")
        values = grid_arrays(self._run.attributions)[view.array]
        return view, values.mean(axis=0) if view.targets else values

    def _grids(self) -> tuple[GridView, ...]:
        return grid_views(self._run.attributions, self._run.model.n_layers, self._run.heads)

    def _methods(self) -> tuple[MethodView, ...]:
        return method_views(self._run.attributions)

    def _trace(self) -> TokenTrace:
        return self._measured(self._run.trace, "")

    def _labels(self) -> tuple[str, ...]:
        return tuple(short(text) for text in self._trace().tokens.texts)

    def _measured(self, part: Measured | None, analysis: str) -> Measured:
        if part is not None:
            return part
        if self._run.row.error:
            raise InputError(f"this run failed, so there is nothing to draw: {self._run.row.error}")
        why = next((item.reason for item in self._run.missing if item.part == analysis), "")
        raise InputError(f"{analysis or 'the text'} was not measured in this run. {why or _how(analysis)}")


def evidence(view: MethodView) -> str:
    """How far one attribution can be believed, in few words."""
    said = [view.receipt.words if view.receipt is not None else "no receipt"]
    return ", ".join(
        [*said, "not converged"] if view.verdict == "not_converged" and "converged" not in said[0] else said
    )


def _how(analysis: str) -> str:
    asked = "--max-new-tokens N" if analysis == "continuation" else f"--analyses {analysis}"
    return f"Ask for it: headscope run ... {asked}"


def _of(name: str, found: dict[str, Measured], kind: str) -> Measured:
    if name not in found:
        raise UnknownNameError(kind, name, tuple(found), "It is not in this run.")
    return found[name]


def _heads(view: GridView, values: NDArray[np.float32]) -> go.Figure:
    heads = tuple(name.removeprefix("H") for name in view.columns)
    unit = f"{view.unit}, mean over tokens" if view.targets else view.unit
    return _grid(Grid(values, view.rows, heads, "layer", "head", unit, view.signed))


def _grid(grid: Grid) -> go.Figure:
    return on_paper(grid_figure(grid))


def _numbers(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))
