"""How the prediction forms from layer to layer (the logit lens of nostalgebraist 2020) at the explained position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.finite import finite_rows
from headscope.analysis.types import Float32, LayerSummary, Target
from headscope.analysis.vocabulary import logit_blocks
from headscope.analysis.workspace import Workspace


def layer_summaries(work: Workspace, targets: Sequence[Target]) -> list[LayerSummary]:
    """One LayerSummary per prompt, from the residual stream after each layer; one unembedding per layer and prompt.

    targets: what each prompt's curves of target and foil are of.
    """
    forward = work.forward
    residuals = torch.stack([layer.detach() for layer in forward.residuals], dim=1)  # [B, L, T, d]
    norms = residuals.float().norm(dim=-1).cpu()
    rows = torch.arange(len(work.texts))
    last = residuals[rows, :, work.positions]  # [B, L, d]
    logprobs, ranks, divergence = _lens(work, last, _watched(work, targets))
    residual_norm = norms[rows, :, work.positions.cpu()].numpy()
    attn_norm, mlp_norm = (_update_norms(work, updates) for updates in (forward.attn_updates, forward.mlp_updates))
    return [
        LayerSummary(
            residual_norm=residual_norm[i],
            attn_update_norm=attn_norm[i],
            mlp_update_norm=mlp_norm[i],
            lens_prob=logprobs[i, :, 0].exp().numpy(),
            lens_rank=ranks[i, :, 0].numpy(),
            kl_to_final=divergence[i].numpy(),
            lens_target_logprob=logprobs[i, :, 1].numpy(),
            lens_target_rank=ranks[i, :, 1].numpy(),
            lens_foil_logprob=logprobs[i, :, 2].numpy(),
            lens_foil_rank=ranks[i, :, 2].numpy(),
            residual_norms=norms[i, :, :length].numpy().copy(),
        )
        for i, length in enumerate(work.batch.lengths.tolist())
    ]


def _update_norms(work: Workspace, updates: Sequence[Tensor]) -> Float32:
    """Norms `[B, L]` of what a sublayer adds at the explained position; NaN where the model does not let us see it."""
    if not updates:
        return np.full((len(work.texts), work.backend.info.n_layers), np.nan, dtype=np.float32)
    rows = torch.stack([work.rows_at_positions(update.detach()) for update in updates], dim=1)
    norms: Float32 = rows.float().norm(dim=-1).cpu().numpy()
    return norms


def _watched(work: Workspace, targets: Sequence[Target]) -> Tensor:
    """Ids `[B, 3]` of the final top-1 token, the target and the foil (-1 without one)."""
    best = work.next_logprobs.argmax(-1)[:, None]
    given = torch.tensor([(target.token_id, target.foil_id) for target in targets], device=best.device)
    return torch.cat([best, given], dim=-1)


def _lens(work: Workspace, states: Tensor, watched: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals `[B, L, d]` to log-probability and rank of the watched tokens `[B, L, 3]` (NaN for an id of -1) and
    KL(final || lens) `[B, L]`."""
    final = work.next_logprobs
    final_probs = final.exp()
    negative_entropy = (final_probs * final).sum(-1)
    shape = states.shape[:2]
    owners = torch.arange(shape[0], device=states.device).repeat_interleave(shape[1])
    parts = []
    with torch.no_grad():
        for span, logits in logit_blocks(work.backend, states.flatten(0, 1)):
            mine = owners[span]
            normaliser = torch.logsumexp(logits, dim=-1)
            # KL = sum p_final (log p_final - log p_lens)
            cross = torch.linalg.vecdot(logits, final_probs[mine])
            divergence = (negative_entropy[mine] - cross + normaliser).clamp(min=0)
            chosen, ranks = _standing(logits, watched[mine])
            parts.append((chosen - normaliser[:, None], ranks, divergence))
    logprobs, ranks, divergence = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    return logprobs.view(*shape, -1), ranks.view(*shape, -1), divergence.view(shape)


def _standing(logits: Tensor, watched: Tensor) -> tuple[Tensor, Tensor]:
    """Logit and rank `[N, n]` of the watched ids `[N, n]` in logits `[N, V]`; NaN for -1, and in rows whose logits are
    no numbers."""
    known = (watched >= 0) & finite_rows(logits)[:, None]
    chosen = logits.gather(-1, watched.clamp(min=0))
    ranks = torch.stack([(logits > column[:, None]).sum(-1) + 1 for column in chosen.unbind(-1)], dim=-1).float()
    return chosen.where(known, torch.nan), ranks.where(known, torch.nan)
