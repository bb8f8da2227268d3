"""How the prediction forms from layer to layer (the logit lens of nostalgebraist 2020) at the explained position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from analysis.types import Float32, LayerSummary
from analysis.workspace import Workspace, chunk_rows


def layer_summaries(work: Workspace) -> list[LayerSummary]:
    """One LayerSummary per prompt, from the residual stream after each layer; one unembedding per layer and prompt."""
    forward = work.forward
    residuals = torch.stack([layer.detach() for layer in forward.residuals], dim=1)  # [B, L, T, d]
    norms = residuals.float().norm(dim=-1)
    rows = torch.arange(len(work.texts))
    last = residuals[rows, :, work.positions]  # [B, L, d]
    probs, ranks, divergence = _lens(work, last)
    residual_norm = norms[rows, :, work.positions].numpy()
    attn_norm, mlp_norm = (_update_norms(work, updates) for updates in (forward.attn_updates, forward.mlp_updates))
    return [
        LayerSummary(
            residual_norm=residual_norm[i],
            attn_update_norm=attn_norm[i],
            mlp_update_norm=mlp_norm[i],
            lens_prob=probs[i].numpy(),
            lens_rank=ranks[i].numpy(),
            kl_to_final=divergence[i].numpy(),
            residual_norms=norms[i, :, :length].numpy().copy(),
        )
        for i, length in enumerate(work.batch.lengths.tolist())
    ]


def _update_norms(work: Workspace, updates: Sequence[Tensor]) -> Float32:
    """Norms `[B, L]` of what a sublayer adds at the explained position; NaN where the model does not let us see it."""
    if not updates:
        return np.full((len(work.texts), work.backend.info.n_layers), np.nan, dtype=np.float32)
    rows = torch.stack([work.rows_at_positions(update.detach()) for update in updates], dim=1)
    norms: Float32 = rows.float().norm(dim=-1).numpy()
    return norms


def _lens(work: Workspace, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals `[B, L, d]` to probability and rank of the final top-1 token and KL(final || lens), each `[B, L]`."""
    final = work.next_logprobs
    final_probs = final.exp()
    negative_entropy = (final_probs * final).sum(-1, keepdim=True)
    top = final.argmax(-1)[:, None, None].expand(-1, states.shape[1], 1)
    step = max(1, chunk_rows(work.backend.info.vocab_size) // states.shape[1])
    parts = []
    with torch.no_grad():
        for start in range(0, len(states), step):
            span = slice(start, start + step)
            logits = work.backend.unembed(states[span]).float()  # [b, L, V]
            normaliser = torch.logsumexp(logits, dim=-1)
            chosen = logits.gather(-1, top[span])
            ranks = ((logits > chosen).sum(-1) + 1).float()
            # KL = sum p_final (log p_final - log p_lens): the second part as one product, without a copy of the logits
            cross = (logits @ final_probs[span, :, None])[..., 0]
            divergence = (negative_entropy[span] - cross + normaliser).clamp(min=0)
            parts.append((torch.exp(chosen[..., 0] - normaliser), ranks, divergence))
    probs, ranks, divergence = (torch.cat(column) for column in zip(*parts, strict=True))
    return probs, ranks, divergence
