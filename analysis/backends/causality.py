"""Whether a model is causal: whether what comes later leaves what was read before as it is."""

from __future__ import annotations

import torch
from torch import nn

from headscope.analysis.errors import BackendError

_TOKENS = 8


@torch.no_grad()
def check_causal(model: nn.Module, vocab_size: int) -> None:
    """Changes the last of a few tokens. Raises BackendError when earlier logits move: every number of such a model
    would depend on the tokens after it, and on padding."""
    ids = (torch.arange(_TOKENS, device=next(model.parameters()).device) * 7 + 1)[None] % vocab_size
    other = ids.clone()
    other[0, -1] = (other[0, -1] + 1) % vocab_size
    one, two = (model(input_ids=tokens, use_cache=False).logits[0, :-1].float() for tokens in (ids, other))
    tolerance = 1e-4 if next(model.parameters()).dtype == torch.float32 else 1e-2
    moved = float((one - two).abs().max() / one.abs().max().clamp_min(1e-6))
    if moved > tolerance:
        raise BackendError(
            f"{type(model).__name__} is not causal: another last token changes what it says before it, so that its "
            "numbers would depend on later tokens and on padding. Use a causal language model (of an encoder, one that "
            "was trained and saved as a decoder, with `is_decoder` in its config)."
        )
