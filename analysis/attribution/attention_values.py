"""The value vectors that heads read, from inside the attention of any model whose attention can be replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from headscope.analysis.backends.made_up import made_up_batch
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.backends.own_attention import own_attention
from headscope.analysis.interfaces import Capture, WhiteBoxBackend

_SEEN: ContextVar[list[Tensor]] = ContextVar("value vectors of the running pass")


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    groups = query.shape[1] // value.shape[1]
    _SEEN.get().append(value.repeat_interleave(groups, dim=1))
    output, _ = sdpa_attention_forward(module, query, key, value, mask, **options)
    return output, None


@contextmanager
def _watching_values(backend: WhiteBoxBackend) -> Iterator[list[Tensor]]:
    seen = list[Tensor]()
    token = _SEEN.set(seen)
    try:
        with own_attention(backend.model, "headscope_values", _attention, sdpa_mask):
            yield seen
    finally:
        _SEEN.reset(token)


@torch.no_grad()
def value_vectors(backend: WhiteBoxBackend, embeddings: Tensor) -> list[Tensor]:
    """Of each layer the values that every head reads, `[B, head, key, d_head]`; one forward pass."""
    with _watching_values(backend) as seen:
        backend.structure.base(inputs_embeds=embeddings.clone(), use_cache=False)
    return seen


@once_per_model
def why_no_values(backend: WhiteBoxBackend) -> str | None:
    """Why values cannot be read, or None: tried on a few made-up tokens, where pattern x values must be what the heads
    hand to the output projection."""
    name = backend.info.architecture
    batch = made_up_batch(backend, 6)
    with entering(backend.structure.head_projections) as given:
        patterns = backend.forward(batch, Capture(attention=True)).attentions
    try:
        values = value_vectors(backend, backend.embed(batch))
    except Exception as error:  # whatever an unknown architecture raises, its values cannot be read
        return f"the values of {name} cannot be read: {error}"
    if len(values) != len(patterns):
        return f"{name} does not let its attention be replaced, so its values cannot be read"
    rounding = 1.0 if values[0].dtype == torch.float32 else 10.0
    for (mixed, _, _), pattern, value in zip(given, patterns, values, strict=True):
        made = (pattern @ value).transpose(1, 2).reshape(mixed.shape)
        if not torch.allclose(made, mixed, rtol=1e-2 * rounding, atol=1e-3 * rounding * float(mixed.abs().max())):
            return f"pattern times values is not what the heads of {name} hand on"
    return None
