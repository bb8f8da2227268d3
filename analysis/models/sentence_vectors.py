"""Sentence embeddings of all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv:1908.10084)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.models import minilm

LONGEST = 128
BATCH = 64


@lru_cache(maxsize=1)
def _encoder() -> tuple[Any, Any] | None:
    folder = minilm.folder()
    if folder is None:
        return None
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def embed(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Unit vectors float64 `[text, 384]`, mean-pooled over tokens; None without the encoder's package."""
    found = _encoder()
    if found is None:
        return None
    import torch

    tokenizer, model = found
    rows = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        rows.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1))
    vectors: NDArray[np.float64] = torch.cat(rows).double().numpy()
    return vectors
