"""Activations of one prompt put into the run of another, and what becomes of the explained quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.alignment import align
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.suffix import LayerSuffix, rows_per_pass
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.interventions import Edit, Point, Put
from headscope.analysis.types import Float32, Target, TokenizedText
from headscope.analysis.workspace import quantities

MAX_TOKENS = 128  # layers x tokens reruns: 30 layers of 128 tokens are minutes on two cores
ROUNDING = 1e-4  # nats; two values closer than this do not differ
NOTHING_ALIKE = (
    "no token of the prompt has a counterpart in the other prompt of the pair: give it a partner that is more alike"
)
POINTS: Mapping[str, Point] = {"residual": "residual", "attention": "attention_output", "mlp": "mlp_output"}


def counterparts(one: TokenizedText, other: TokenizedText) -> list[tuple[int, int]]:
    """Positions of two prompts that belong together: all of them in prompts of equally many tokens, else those of words
    that have as many tokens in both; a token without a counterpart is left out."""
    if len(one) == len(other):
        return [(place, place) for place in range(len(one))]
    pairs = [pair for pair in align(one, other) if pair.a[1] - pair.a[0] == pair.b[1] - pair.b[0]]
    return [places for pair in pairs for places in zip(range(*pair.a), range(*pair.b), strict=True)]


class PatchedPair:
    """Passes over two prompts, and reruns of `base` with activations of `source` in it.

    places: (position in source, position in base) of each activation that may be put in. logits float32 `[2, V]`: what
    follows source, and base.
    """

    def __init__(
        self,
        backend: WhiteBoxBackend,
        source: TokenizedText,
        base: TokenizedText,
        places: Sequence[tuple[int, int]],
    ) -> None:
        batch = backend.batch([source, base])
        with entering(backend.structure.head_projections) as mixed:
            self.suffix = LayerSuffix(backend, batch, backend.embed(batch))
        self.backend, device = backend, batch.input_ids.device
        self.logits = self.suffix.result.logits[:, -1].float()
        # of the last pass of two; `[2, T, H, d_head]`
        mine = [hidden for hidden, _, _ in mixed[-backend.info.n_layers :]]
        self.heads = tuple(hidden.view(*hidden.shape[:2], backend.info.n_heads, -1) for hidden in mine)
        self._source, self._base = torch.tensor(places, dtype=torch.long, device=device).view(-1, 2).T
        self._last = len(base) - 1
        # causal attention: up to the first token that differs there is nothing to patch but rounding
        shorter = min(len(source), len(base))
        differs = np.flatnonzero(source.ids[:shorter] != base.ids[:shorter])
        first = int(differs[0]) if len(differs) else shorter
        self._reached = (self._source >= first) | (self._source != self._base)

    def values(self, target: Target) -> Tensor:
        """The explained quantity `[2]` after source and after base."""
        return quantities(self.logits, [target] * 2)

    def grid(self, component: str, target: Target) -> Float32:
        """The quantity float32 `[layer, place]` with the component's activation put in at one place of one layer."""
        unchanged = float(self.values(target)[1])
        activations = self._activations(component)
        found = torch.full((len(activations), len(self._base)), unchanged, device=self._base.device)
        for layer, activation in enumerate(activations):
            differs = (activation[0][self._source] != activation[1][self._base]).any(-1) & self._reached
            for cells in torch.split(differs.nonzero()[:, 0], self._rows):
                if len(cells):
                    final = self.rerun(component, layer, cells)
                    found[layer, cells] = self.suffix.values(final, [target] * len(cells))
        values: Float32 = found.cpu().numpy()
        return values

    def rerun(self, component: str, layer: int, cells: Tensor) -> Tensor:
        """Last residuals `[N, d]` after base; row n has the source's activation at place `cells[n]`."""
        put = self._activations(component)[layer][0][self._source[cells]]
        edit = Edit(POINTS[component], layer, Put(put[:, None]), positions=self._base[cells][:, None])
        return self._run(layer, len(cells), [edit])

    def components(self, target: Target, mlps: bool = True) -> Float32:
        """The quantity float32 `[layer, component]` with one head, or last the MLP, put in at every place of it."""
        n_heads, backend = self.backend.info.n_heads, self.backend
        found = torch.empty(backend.info.n_layers, n_heads + mlps, device=self._base.device)
        for layer in range(len(found)):
            for rows in torch.split(torch.arange(n_heads + mlps), self._rows):
                final = self._run(layer, len(rows), list(self._component_edits(layer, rows)))
                found[layer, rows] = self.suffix.values(final, [target] * len(rows))
        values: Float32 = found.cpu().numpy()
        return values

    def _component_edits(self, layer: int, rows: Tensor) -> Sequence[Edit]:
        """Row n of the rerun has component `rows[n]` put in, each at all places."""
        heads = rows[rows < self.backend.info.n_heads]
        edits = []
        if len(heads):
            put = self.heads[layer][0][self._source][:, heads].transpose(0, 1)
            places = self._base.expand(len(heads), -1)
            edits += [Edit("head_output", layer, Put(put), head=heads, positions=places, rows=range(len(heads)))]
        if len(heads) < len(rows):
            put = self.suffix.result.mlp_updates[layer][0][self._source]
            edits += [Edit("mlp_output", layer, Put(put), positions=self._base, rows=[len(heads)])]
        return edits

    def _run(self, layer: int, n_rows: int, edits: Sequence[Edit]) -> Tensor:
        hidden = self.suffix.inputs[layer][1].expand(n_rows, -1, -1)
        return self.suffix.run(layer, hidden, torch.full((n_rows,), self._last, device=hidden.device), edits)

    def _activations(self, component: str) -> Sequence[Tensor]:
        result = self.suffix.result
        found: dict[str, Sequence[Tensor]] = {
            "residual": self.suffix.inputs, "attention": result.attn_updates, "mlp": result.mlp_updates
        }  # fmt: skip
        return found[component]

    @property
    def _rows(self) -> int:
        return rows_per_pass(self.backend.info, self.suffix.inputs[0].shape[1])
