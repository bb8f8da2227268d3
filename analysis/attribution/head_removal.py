"""Prompts without some of their heads, in batched passes over the later layers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.suffix import LayerSuffix, rows_per_pass
from headscope.analysis.interfaces import TokenBatch
from headscope.analysis.interventions import Edit
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace, explained, quantities

Substitute = Callable[[int, Tensor], Tensor]
"""Layer and prompts `[N]` to what takes the place of their heads' outputs, stretching to `[N, T, H, d_head]`."""
NO_HEAD = -1


class HeadRemoval:
    """The prompts of a workspace up to their explained positions, and what becomes of the explained quantity (nats)
    without some heads. A head is named by one number, layer * H + head; rows of fewer heads end in `NO_HEAD`.

    values: `[B]`, with all heads. means: L tensors `[B, H, d_head]`, what the heads hand on when nothing is removed,
    over the positions up to the explained one. length: of the longest prompt, up to there.
    """

    def __init__(self, work: Workspace, targets: Sequence[Target]) -> None:
        backend, batch = work.backend, work.batch
        end = int(work.positions.max()) + 1  # what comes later cannot matter to a causal model
        cut = TokenBatch(batch.texts, batch.input_ids[:, :end], batch.attention_mask[:, :end], work.positions + 1)
        self.backend, self._positions, self._targets = backend, work.positions, targets
        self._kept = work.without_heads
        self.n_layers, self.n_heads, self.length = backend.info.n_layers, backend.info.n_heads, end
        with entering(backend.structure.head_projections) as seen:
            self._suffix = LayerSuffix(backend, cut, work.embeddings[:, :end])
        counted = torch.arange(end, device=work.positions.device) <= work.positions[:, None]
        ran = seen[-self.n_layers :]  # before it one prompt alone
        self.means = tuple(_means(mixed.view(len(targets), end, self.n_heads, -1), counted) for mixed, _, _ in ran)
        self.values = quantities(self._suffix.result.logits[:, -1].float(), targets)

    def alone(self, name: str, substitute: Substitute) -> Tensor:
        """`each`, computed once for all methods of a workspace; `name`: which substitute it is."""
        key = (name, explained(self._targets))
        if key not in self._kept:
            self._kept[key] = self.each(substitute)
        return self._kept[key]

    def each(self, substitute: Substitute, beside: Tensor | None = None) -> Tensor:
        """The quantity without each head, `[B, L, H]`; with `beside` `[B, K]`, without these heads of the prompt too.

        A row starts at its head's layer, from the stream that the heads beside it, of earlier layers, have left.
        """
        n = len(self._targets)
        streams = self._suffix.inputs if beside is None else self._streams(beside, substitute)
        owners = torch.arange(n, device=self.values.device).repeat_interleave(self.n_heads)
        heads = torch.arange(self.n_heads, device=self.values.device).repeat(n)[:, None]
        finals = []
        for layer in range(self.n_layers):
            here = layer * self.n_heads + heads
            off = here if beside is None else torch.cat([here, beside[owners]], dim=1)
            finals.append(self._run(layer, streams[layer], owners, off, substitute))
        values = self._values(torch.cat(finals), owners.repeat(self.n_layers))
        return values.view(self.n_layers, n, self.n_heads).movedim(0, 1)

    def without(self, owners: Tensor, off: Tensor, substitute: Substitute) -> Tensor:
        """The quantity `[N]` of prompts `owners` `[N]` without the heads `off` `[N, K]`, each from its earliest on."""
        found = self.values[owners]
        first = torch.where(off == NO_HEAD, self.n_layers * self.n_heads, off).amin(1) // self.n_heads
        for layer in sorted({*first.tolist()} - {self.n_layers}):
            rows = torch.nonzero(first == layer)[:, 0]
            final = self._run(layer, self._suffix.inputs[layer], owners[rows], off[rows], substitute)
            found[rows] = self._values(final, owners[rows])
        return found

    def _run(self, layer: int, streams: Tensor, owners: Tensor, off: Tensor, substitute: Substitute) -> Tensor:
        """The last residuals `[N, d]` of prompts `owners` `[N]` without the heads `off` `[N, K]`, from what `layer`
        reads, `[B, T, d]`, on; heads of earlier layers are none of its business."""
        found = []
        for rows in torch.split(torch.arange(len(owners)), rows_per_pass(self.backend.info, self.length)):
            mine = owners[rows]
            edits = self._edits(layer, mine, off[rows], substitute)
            found.append(self._suffix.run(layer, streams[mine], self._positions[mine], edits))
        return torch.cat(found)

    def _values(self, finals: Tensor, owners: Tensor) -> Tensor:
        """The quantity `[N]`: as many rows as possible at once, each of which would read the whole unembedding."""
        return self._suffix.values(finals, [self._targets[i] for i in owners.tolist()])

    def _streams(self, off: Tensor, substitute: Substitute) -> tuple[Tensor, ...]:
        """What each layer reads, L tensors `[B, T, d]`, when the heads `off` `[B, K]` are removed."""
        owners = torch.arange(len(off), device=off.device)
        with entering(self.backend.structure.layers) as seen:
            self._suffix.run(0, self._suffix.inputs[0], self._positions, self._edits(0, owners, off, substitute))
        return tuple(hidden for hidden, _, _ in seen)

    def _edits(self, start: int, owners: Tensor, off: Tensor, substitute: Substitute) -> list[Edit]:
        chosen = torch.zeros(len(owners), self.n_layers * self.n_heads + 1, dtype=torch.bool, device=off.device)
        chosen.scatter_(1, off % chosen.shape[1], value=True)  # NO_HEAD falls on the one too many
        by_layer = chosen[:, :-1].view(len(owners), self.n_layers, self.n_heads)
        edits = []
        for layer in range(start, self.n_layers):
            here = by_layer[:, layer]
            if bool(here.any()):
                edits.append(Edit("head_output", layer, _replaced(here, substitute(layer, owners))))
        return edits


def _replaced(off: Tensor, value: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda outputs: torch.where(off[:, None, :, None], value.to(outputs), outputs)


def _means(outputs: Tensor, counted: Tensor) -> Tensor:
    """Means `[B, H, d_head]` of outputs `[B, T, H, d_head]` over the positions counted, bool `[B, T]`."""
    share = (counted / counted.sum(1, keepdim=True)).to(outputs.dtype)
    return torch.einsum("bt,bthe->bhe", share, outputs)
