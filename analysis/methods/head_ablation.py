"""Head ablation (Michel et al. 2019; Wang et al. 2022 for the mean): what is lost when one head is switched off."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from headscope.analysis.attribution.results import attribution
from headscope.analysis.backends.suffix import LayerSuffix, rows_per_pass, why_no_suffix
from headscope.analysis.interfaces import Method, TokenBatch, WhiteBoxBackend
from headscope.analysis.interventions import Edit
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace, quantities


class HeadAblation(Method):
    """value(prompt) - value(prompt, one head ablated at every position), nats; scores `[layer, head]`, signed: positive
    means the head helps the explained quantity.

    Ablated is the head's output, before the attention's output projection: set to zero, or to its mean over the
    positions of the same prompt up to the explained one (which keeps what the head always adds and removes what it adds
    here). Later layers are computed anew, so the score is the head's whole effect, repairs by later layers included;
    scores of heads do not add up to anything.
    """

    NAME: ClassVar[str] = "head_ablation"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose heads' outputs can be told apart and whose layers run on their own."""
        return why_no_suffix(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt. Heads of a layer and prompts share passes, which run the later layers only."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        with torch.no_grad():
            values, ablated = _ablate(work, targets, settings["kind"] == "mean")
        scores = (values[:, None, None] - ablated).cpu().numpy()
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            attribution(
                self.NAME,
                target,
                scores[i],
                ("layer", "head"),
                signed=True,
                value=float(values[i]),
                seconds=seconds,
                params=settings,
            )
            for i, target in enumerate(targets)
        ]


def _ablate(work: Workspace, targets: Sequence[Target], mean: bool) -> tuple[Tensor, Tensor]:
    """The quantity of every prompt as it is, `[B]`, and without each head, `[B, L, H]`."""
    backend, end = work.backend, int(work.positions.max()) + 1  # what comes later cannot matter to a causal model
    batch = work.batch
    cut = TokenBatch(batch.texts, batch.input_ids[:, :end], batch.attention_mask[:, :end], work.positions + 1)
    suffix = LayerSuffix(backend, cut, work.embeddings[:, :end])
    n_heads = backend.info.n_heads
    # row r of a layer: prompt r // H without head r % H
    prompts = torch.arange(len(targets)).repeat_interleave(n_heads)
    heads = torch.arange(n_heads).repeat(len(targets))
    found = torch.empty(len(prompts), backend.info.n_layers, device=cut.lengths.device)
    for layer in range(backend.info.n_layers):
        for rows in torch.split(torch.arange(len(prompts)), rows_per_pass(backend.info, end)):
            owners = prompts[rows]
            at = work.positions[owners]
            without = Edit("head_output", layer, partial(_mean, positions=at) if mean else "zero", head=heads[rows])
            final = suffix.run(layer, suffix.inputs[layer][owners], at, [without])
            found[rows, layer] = suffix.values(final, [targets[i] for i in owners.tolist()])
    values = quantities(suffix.result.logits[:, -1].float(), targets)
    return values, found.view(len(targets), n_heads, -1).transpose(1, 2)


def _mean(outputs: Tensor, positions: Tensor) -> Tensor:
    """Means `[N, 1, d_head]` of a head's outputs `[N, T, d_head]` up to `positions[n]` in row n."""
    counted = (torch.arange(outputs.shape[1], device=outputs.device) <= positions[:, None]).to(outputs.dtype)
    means = torch.einsum("nt,nte->ne", counted, outputs) / counted.sum(1, keepdim=True)
    return means[:, None]
