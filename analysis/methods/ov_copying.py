"""Copying by a head's weights (Elhage et al. 2021; the copy score of Wang et al. 2022): which token its OV circuit
writes where it reads one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.frozen_norm import frozen_norm, is_norm
from headscope.analysis.attribution.results import HEADS, attribution
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.interfaces import Capture, Method, TokenBatch, WhiteBoxBackend
from headscope.analysis.types import Attribution, Float32, Params, Target
from headscope.analysis.vocabulary import CHUNK_ELEMENTS
from headscope.analysis.workspace import Workspace, quantities

TOP = 5


class OVCopying(Method):
    """Whether a head that looks at the answer's own token writes that token; scores `[layer, head]` from -1 to 1,
    signed: 1 where the token is among the 5 likeliest of the vocabulary after what the head alone writes, -1 where it
    is among the 5 least likely (copy suppression, McDougall et al. 2023), else 0; the mean over target and foil.

    From the weights alone, whatever the prompt says and wherever the head looks: the token is read as a text of its
    own, where every head's attention rests on it, so a head's output is W_O W_V of the state. That state is the
    residual stream after the first layer (of heads in the first layer the embedding), normed as the layer does.
    Position embeddings are those of position 0; value biases are in, the bias of the output projection is not. What a
    head writes goes through the norm after the attention, where there is one, the final norm and the unembedding, by
    itself.
    """

    NAME: ClassVar[str] = "ov_copying"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Every model whose heads' outputs can be told apart."""
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; a token that several prompts have is read once."""
        started = time.perf_counter()
        answers = [[token for token in (target.token_id, target.foil_id) if token >= 0] for target in targets]
        tokens = sorted({token for answer in answers for token in answer})
        with torch.no_grad(), work.backend.unedited():
            copied = dict(zip(tokens, copying(work.backend, tokens), strict=True))
        values = quantities(work.next_logits, targets)
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            attribution(
                self.NAME,
                target,
                np.mean([copied[token] for token in answer], axis=0, dtype=np.float32),
                HEADS,
                signed=True,
                value=float(values[i]),
                seconds=seconds,
                params={},
            )
            for i, (target, answer) in enumerate(zip(targets, answers, strict=True))
        ]


def copying(backend: WhiteBoxBackend, tokens: Sequence[int]) -> Float32:
    """Of each token `[token, layer, head]`: 1 copied, -1 suppressed, 0 neither. At most `CHUNK_ELEMENTS` logits are
    held at once."""
    ids = torch.tensor(list(tokens), device=next(backend.model.parameters()).device)
    found = torch.zeros(len(tokens), backend.info.n_layers, backend.info.n_heads)
    step = max(1, CHUNK_ELEMENTS // backend.info.vocab_size)
    own = torch.split(ids.repeat_interleave(backend.info.n_heads), step)
    for layer, mixed in enumerate(_heads_outputs(backend, ids)):
        written = torch.split(_written(backend, layer, mixed).flatten(0, 1), step)
        signs = [_sign(backend.unembed(part), answer) for part, answer in zip(written, own, strict=True)]
        found[:, layer] = torch.cat(signs).view(len(tokens), -1).cpu()
    return found.numpy()


def _heads_outputs(backend: WhiteBoxBackend, ids: Tensor) -> list[Tensor]:
    """Of every layer the heads' outputs side by side, `[N, H * d_head]`, where each token `[N]` stands alone and every
    layer after the first reads the stream as it left the first."""
    ones = torch.ones_like(ids)
    batch = TokenBatch((), ids[:, None], ones[:, None], ones)
    with entering(backend.structure.head_projections) as seen, _reading_the_first(backend):
        backend.forward(batch, Capture(last_logits_only=True, non_finite=True))
    return [hidden[:, 0] for hidden, _, _ in seen]


@contextmanager
def _reading_the_first(backend: WhiteBoxBackend) -> Iterator[None]:
    """Inside the block every layer from the third on is given what the second was."""
    state: list[Tensor] = []

    def give(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not state:
            state.append(args[0] if args else kwargs["hidden_states"])
        return ((state[0], *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": state[0]})

    layers = backend.structure.layers[1:]
    handles = [layer.register_forward_pre_hook(give, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _written(backend: WhiteBoxBackend, layer: int, mixed: Tensor) -> Tensor:
    """What every head alone adds to the stream, `[N, H, d]`, from the heads' outputs side by side."""
    weights = backend.head_weights(layer)
    written = torch.einsum("nhe,hed->nhd", mixed.view(len(mixed), *weights.shape[:2]), weights)
    update = backend.structure.attn_updates[layer]
    norm = frozen_norm(update) if is_norm(update) else None
    return written if norm is None else norm(written)


def _sign(logits: Tensor, tokens: Tensor) -> Tensor:
    """Of logits `[R, V]`, each with its token: 1 among the highest, -1 among the lowest, 0 neither; of equal logits all
    count against it, so that a head that writes nothing does neither. NaN where there is any."""
    own = logits.gather(1, tokens[:, None])
    above, below = (logits >= own).sum(1) - 1, (logits <= own).sum(1) - 1
    sign = (above < TOP).float() - (below < TOP).float()
    return sign.where(logits.isfinite().all(1), torch.nan)
