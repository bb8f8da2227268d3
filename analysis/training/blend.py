"""Blends the adapters of the two stages: the second knows our kinds of sentences, the first the public mix better."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from headscope.analysis.classifiers.embedded_bert import ADAPTER

SHARE = 0.8
"""Of the second stage; how it was chosen is in docs/behaviour.md."""
CONFIG = "adapter_config.json"


def blend(first: Path, second: Path, out: Path, share: float = SHARE) -> None:
    """Write (1 - share) first + share second, tensor by tensor, the head included, as an adapter in the folder `out`.

    The weight-space ensemble of Wortsman et al. 2022 (arXiv:2109.01903), here of LoRA's two factors and not of their
    product. The second adapter must have been trained from the first: such two lie close enough to be averaged.
    first, second: folders of adapters with the same tensors; share: from 0 (the first) to 1 (the second).
    """
    before, after = load_file(first / ADAPTER), load_file(second / ADAPTER)
    mixed = {name: torch.lerp(before[name], after[name], share) for name in after}
    save_file(mixed, out / ADAPTER, metadata={"format": "pt"})
    shutil.copyfile(second / CONFIG, out / CONFIG)
