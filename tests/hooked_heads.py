"""One whole pass with hooks of its own: what batched removal of heads must equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from headscope.analysis.interfaces import Capture
from headscope.analysis.types import Target
from headscope.analysis.workspace import quantities

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

Change = Callable[[torch.Tensor], torch.Tensor]
Heads = Mapping[tuple[int, int], Change]


def value_with(backend: HFCausalBackend, text: str, target: Target, changed: Heads) -> float:
    """The whole model on one prompt; each named head's output `[T, d_head]` becomes what its function makes of it."""

    def hook(layer: int) -> Any:
        def change(_: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            made = args[0].clone()
            size = made.shape[-1] // backend.info.n_heads
            for (of, head), function in changed.items():
                if of == layer:
                    part = slice(head * size, (head + 1) * size)
                    made[0, :, part] = function(made[0, :, part])
            return (made,)

        return change

    modules = backend.structure.head_projections
    handles = [module.register_forward_pre_hook(hook(layer)) for layer, module in enumerate(modules)]
    try:
        logits = backend.forward(backend.batch([backend.tokenize(text)]), Capture()).logits[:, -1]
    finally:
        for handle in handles:
            handle.remove()
    return float(quantities(logits, [target])[0])
