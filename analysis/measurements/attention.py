"""The attention patterns themselves, as they are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace


def measure(work: Workspace, targets: Sequence[Target]) -> list[NDArray[np.float16]]:
    """Attention of each prompt without its padding, float16 `[layer, head, query, key]`."""
    stacked = torch.stack([layer.detach().half() for layer in work.attentions], dim=1)
    return [stacked[i, :, :, :n, :n].cpu().numpy().copy() for i, n in enumerate(work.batch.lengths.tolist())]
