"""Everything that is measured, on a model that lies on another device than the CPU: the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.backends.loading import load_folder
from headscope.analysis.models.sources import resolve
from headscope.analysis.registry import analyses
from headscope.analysis.running.patching import analyse_patch
from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, RunSpec, RunStatus
from headscope.analysis.types.patching import PATCH_COMPONENTS, PatchRequest
from tests.pretended_device import pretended_device
from tests.quick import QUICK

PROMPTS = (
    Prompt("a", "The quick fox found a small door in the", " wall", " garden",
           counterfactual="The quick cat found a small door in the"),
    Prompt("b", "She thinks  that ☃ he", counterfactual="He thinks  that ☃ she"),
)  # fmt: skip
PAIR = PatchRequest("", "The baker said that the bread", "The bread said that the baker")
MACHINE = {"seconds", "peak_bytes", "capsule"}
OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "integrated_gradients": {"rule": "riemann_middle", "n_steps": 5, "hold_first": False, "baseline": "zero"},
    "occlusion": {"masking": "delete", "unit": "word"},
    "head_ablation": {"kind": "resample", "draws": 2},
    "co_ablation": {"kind": "mean"},
    "layer_gradients": {"rows": "written"},
}
Pair = tuple[HFCausalBackend, HFCausalBackend]


def far_from(near: HFCausalBackend) -> HFCausalBackend:
    """The same model on the pretended device."""
    resolved = resolve(near.info.path)
    model, tokenizer = load_folder(resolved.path, torch.float32)
    with pretended_device() as device:
        model.to(device).tie_weights()  # as on a real device, where parameters stay the objects they are
        return HFCausalBackend(model, tokenizer, resolved, "float32")


@pytest.fixture(scope="module")
def pair(tiny_gpt2: HFCausalBackend) -> Pair:
    return tiny_gpt2, far_from(tiny_gpt2)


def assert_close(far: Any, near: Any, path: str) -> None:
    """Equal through dataclasses and tuples but for rounding, NaN equal to NaN."""
    assert type(far) is type(near), path
    if is_dataclass(near):
        for name in (field.name for field in fields(near) if field.name not in MACHINE):
            assert_close(getattr(far, name), getattr(near, name), f"{path}.{name}")
    elif isinstance(near, tuple | list):
        assert len(far) == len(near), path
        for index, (one, other) in enumerate(zip(far, near, strict=True)):
            assert_close(one, other, f"{path}[{index}]")
    elif isinstance(near, dict):
        assert_close(list(far.items()), list(near.items()), path)
    elif isinstance(near, float | np.ndarray):
        np.testing.assert_allclose(far, near, rtol=1e-3, atol=1e-4, err_msg=path)
    else:
        assert far == near, path


def assert_same_runs(pair: Pair, spec: RunSpec) -> None:
    near = run_batch(pair[0], spec, PROMPTS)
    with pretended_device():
        far = run_batch(pair[1], spec, PROMPTS)
    for here, there in zip(near, far, strict=True):
        assert there.status is RunStatus.SUCCEEDED, there.error
        assert not there.missing
        assert [one.error for one in there.attributions] == [None] * len(here.attributions)
        assert_close(there, here, there.prompt.id)


@pytest.mark.parametrize("analysis", sorted(analyses()))
def test_an_analysis(pair: Pair, analysis: str) -> None:
    asked = ("saliency", analysis) if analysis == "receipts" else (analysis,)
    plain = RunSpec(ModelRef(""), (), asked, params={analysis: QUICK.get(analysis, {})})
    assert_same_runs(pair, plain)
    if given := OTHERWISE.get(analysis):
        assert_same_runs(pair, replace(plain, params={analysis: given}))


def test_weights_drawn_anew(pair: Pair) -> None:
    params = {"receipts": {"weight_randomisation": True}}
    assert_same_runs(pair, RunSpec(ModelRef(""), (), ("receipts", "input_x_gradient"), params=params))


def test_a_continuation_and_what_it_rests_on(pair: Pair) -> None:
    drawn = GenerationParams(3, 0.8, 0.9, 5)
    spec = RunSpec(ModelRef(""), (), ("saliency", "occlusion", "attn_lrp"), generation=drawn, explain="continuation")
    assert_same_runs(pair, spec)


@pytest.mark.parametrize("component", PATCH_COMPONENTS)
def test_patching(pair: Pair, component: str) -> None:
    asked = replace(PAIR, component=component, cell=(1, 2))
    near = analyse_patch(pair[0], asked)
    with pretended_device():
        far = analyse_patch(pair[1], asked)
    assert_close(far, near, component)
