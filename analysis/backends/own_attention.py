"""An attention function of our own in a model of the library, for the time of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import AttentionInterface


@contextmanager
def own_attention(model: Any, name: str, attend: Callable[..., Any], mask: Callable[..., Any]) -> Iterator[None]:
    """Inside the block the modules of `model` attend by `attend`, known to the library as `name`, with the masks that
    `mask` makes; at its end, however it ends, by what they did before. Raises what the library does for a model whose
    attention cannot be replaced."""
    before = model.config._attn_implementation
    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, mask)  # without it the attention is silently bidirectional
    try:
        model.set_attn_implementation(name)
        yield
    finally:
        model.set_attn_implementation(before)
