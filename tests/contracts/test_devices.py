"""Everything that is measured, on a model that lies on another device than the CPU: the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.backends.hf_causal import HFCausalBackend
from analysis.backends.loading import load_folder
from analysis.model_sources import resolve
from analysis.registry import MEASUREMENTS, METHODS, PROBES
from analysis.runner import run_batch
from analysis.types import GenerationParams, ModelRef, Prompt, RunSpec, RunStatus
from tests.pretended_device import pretended_device

PROMPTS = (
    Prompt("a", "The quick fox found a small door in the", target=" wall", foil=" garden"),
    Prompt("b", "She thinks  that ☃ he"),
)


@pytest.fixture(scope="module", params=["tiny_gpt2", "tiny_llama"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[HFCausalBackend, HFCausalBackend]]:
    """A model on the CPU and the same on the pretended device."""
    near: HFCausalBackend = request.getfixturevalue(request.param)
    folder: Path = request.getfixturevalue(f"{request.param}_dir")
    resolved = resolve(str(folder))
    model, tokenizer = load_folder(folder, torch.float32)
    with pretended_device():
        yield near, HFCausalBackend(model.to(FAR), tokenizer, resolved, "float32")


@pytest.mark.parametrize("analysis", sorted([*MEASUREMENTS, *METHODS, *PROBES]))
def test_x(pair: tuple[HFCausalBackend, HFCausalBackend], analysis: str) -> None:
    spec = RunSpec(ModelRef("x"), (), (analysis,), generation=GenerationParams(2))
    a = run_batch(pair[0], spec, PROMPTS)
    b = run_batch(pair[1], spec, PROMPTS)
    for x, y in zip(a, b):
        assert y.status is RunStatus.SUCCEEDED, y.error
        assert x.missing == y.missing
        for m, n in zip(x.attributions, y.attributions):
            assert m.error == n.error
            np.testing.assert_allclose(n.scores, m.scores, rtol=1e-4, atol=1e-5)
