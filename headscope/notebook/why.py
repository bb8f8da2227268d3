"""What the Why page computes, of prompts typed in a notebook. Nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.errors import InputError
from headscope.analysis.types.interventions import Intervention, InterventionRequest, InterventionResult
from headscope.analysis.types.patching import PatchRequest, PatchResult
from headscope.dashboard.figures.grids import Grid, grid_figure
from headscope.dashboard.figures.patching import patch_figure
from headscope.dashboard.pages.patching import rows
from headscope.notebook.paper import on_paper
from headscope.storage.handle import Frame

Framed = Callable[[Iterable[Mapping[str, Any]]], Frame]


@dataclass(frozen=True, slots=True)
class Patched:
    """A map of activation patching: `result` has its numbers, typed."""

    result: PatchResult
    framed: Framed

    def frame(self) -> Frame:
        """A row a cell: layer, position, both tokens, recovery, and the explained quantity (nats) when patched."""
        return self.framed(rows.of_map(self.result))

    def figure(self) -> go.Figure:
        """Layer by position."""
        return on_paper(patch_figure(self.result, None))


@dataclass(frozen=True, slots=True)
class Changed:
    """A prompt before and after its interventions: `result` has its numbers, typed."""

    result: InterventionResult
    framed: Framed

    def frame(self) -> Frame:
        """A row a candidate for the next token, with its probability before and after; margin, ranks and KL."""
        return self.framed(rows.of_candidates(self.result))

    def parts(self) -> Frame:
        """A row for every head and MLP of the model as it is, and for what else adds up to `total`. Raises InputError
        for a model that has no such parts."""
        self._known()
        return self.framed(rows.of_parts(self.result))

    def figure(self) -> go.Figure:
        """What `parts` has, layer by head and MLP. Raises InputError as it does."""
        scores = self._known()
        heads = scores.shape[1] - 1
        columns = (*(f"H{head}" for head in range(heads)), "MLP")
        layers = tuple(map(str, range(len(scores))))
        return on_paper(grid_figure(Grid(scores, layers, columns, "layer", "part", "nats", True)))

    def _known(self) -> Any:
        if self.result.parts is None:
            raise InputError(f"nothing adds up here: {self.result.no_parts}")
        return self.result.parts.scores


class Why:
    """Made by `Store.why`."""

    def __init__(self, model: str, engine: AnalysisEngine, framed: Framed) -> None:
        self._model, self._engine, self._framed = model, engine, framed

    def patch(
        self, clean: str, corrupted: str, *, target: str | None = None, foil: str | None = None,
        component: str = "residual",
    ) -> Patched:  # fmt: skip
        """One activation of the clean run at a time put into the corrupted one (`PatchRequest`). Raises InputError for
        prompts of unequal length, and whatever else they cannot be patched for."""
        asked = PatchRequest(self._model, clean, corrupted, target, foil, component)
        return Patched(self._engine.patch(asked), self._framed)

    def change(
        self, text: str, interventions: Sequence[str] = (), *, target: str | None = None, foil: str | None = None,
        source: str | None = None,
    ) -> Changed:  # fmt: skip
        """The prompt with parts of the model switched off, scaled, or taken from `source`: codes like "head:5.3:zero",
        "mlp:4:scale:0.5", "residual:6@4:patch" (`headscope.analysis.types.interventions`). Raises InputError."""
        made = tuple(map(Intervention.parse, interventions))
        asked = InterventionRequest(self._model, text, target, foil, source, made, parts=True)
        return Changed(self._engine.intervene(asked), self._framed)
