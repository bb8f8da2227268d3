"""Whether a model's logit is a plain reading of its last residual, in each precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headscope.analysis.attribution.logit_reading import why_no_reading
from headscope.analysis.backends.hf_causal import HFCausalBackend
from tests.families import FAMILIES, build

HALF = ("bfloat16", "float16")


@pytest.mark.parametrize("dtype", ["float32", *HALF])
def test_rounding_is_not_taken_for_a_capped_logit(tiny_gpt2_dir: Path, dtype: str) -> None:
    """Whichever token has which row of the unembedding: one whose logit is a small difference of large terms too."""
    for shift in range(0, 24, 6):
        backend = HFCausalBackend.load(str(tiny_gpt2_dir), dtype)
        head: Any = backend.model.get_output_embeddings()  # type: ignore[operator]
        with torch.no_grad():
            head.weight.copy_(head.weight.roll(shift, 0))
        assert why_no_reading(backend) is None, shift


@pytest.mark.parametrize("dtype", HALF)
def test_a_scaled_logit_is_seen_in_half_precision(tmp_path: Path, tiny_gpt2_dir: Path, dtype: str) -> None:
    settings = FAMILIES["GraniteConfig"] | {"logits_scaling": 1.1}
    folder = build(tmp_path / "model", tiny_gpt2_dir, "GraniteConfig", settings)
    assert "are scaled after the unembedding" in str(why_no_reading(HFCausalBackend.load(str(folder), dtype)))
