"""transformers' own model of a folder, loaded apart from ours and run as its documentation says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from headscope.analysis.errors import NotApplicable
from headscope.analysis.models import devices, sources


@dataclass(frozen=True, slots=True)
class Plain:
    """The model, in its eval mode, with one attention implementation."""

    model: Any

    @torch.no_grad()
    def logits(self, ids: Tensor) -> Tensor:
        """Logits `[T, V]` of one prompt `[T]`, alone, no padding, no cache."""
        found: Tensor = self.model(input_ids=ids[None], use_cache=False).logits[0]
        return found

    @torch.no_grad()
    def attentions(self, ids: Tensor) -> tuple[Tensor, ...]:
        """Attention weights `[H, query, key]` of the layers that have some, of one prompt `[T]`."""
        found = self.model(input_ids=ids[None], use_cache=False, output_attentions=True)
        layers = getattr(found, "attentions", None) or ()
        return tuple(layer[0] for layer in layers if layer is not None and layer.dim() == 4)


def load_plain(folder: Path, dtype: str, device: str, attention: str) -> Plain:
    """Raises NotApplicable where the family has no such attention, or there is no memory for a second copy."""
    needed, free = sources.memory_needed(folder, dtype), devices.free_bytes(torch.device(device))
    if needed > free:
        raise NotApplicable(
            f"a second copy of the model needs about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free"
        )
    logs: Any = transformers_logging
    bar = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (ValueError, ImportError) as error:  # "does not support an attention implementation through ..."
        reason = str(error).strip().splitlines()[0]
        raise NotApplicable(f"transformers does not load this family with {attention} attention ({reason})") from error
    finally:
        if bar:
            logs.enable_progress_bar()
    return Plain(model.to(device).eval())
