"""A whole run of a tiny model, number by number. Regenerate on purpose: HEADSCOPE_REGENERATE_GOLDEN=1 pytest <this>.

A difference here means stored numbers change: raise `headscope.analysis.code_version.CODE_VERSION` with it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import HEAD_STATS, LAYER_STATS, Prompt, RunResult, RunSpec

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

FOLDER = Path(__file__).parent
PROMPTS = (
    Prompt("plain", "The quick fox found the door."),
    Prompt("contrast", "One two three four, one two", " three", " five"),
)
ANALYSES = ("heads", "layers", "logit_lens", "saliency", "input_x_gradient", "integrated_gradients")


def numbers(result: RunResult) -> dict[str, Any]:
    assert result.trace is not None
    assert result.heads is not None
    assert result.layers is not None
    assert result.lens is not None
    assert result.target is not None
    arrays = {
        "ids": result.trace.tokens.ids,
        "logprobs": result.trace.logprobs,
        "ranks": result.trace.ranks,
        "entropies": result.trace.entropies,
        "topk_logprobs": result.trace.topk_logprobs,
        **{f"heads.{name}": getattr(result.heads, name) for name in HEAD_STATS},
        **{f"layers.{name}": getattr(result.layers, name) for name in LAYER_STATS},
        "lens.top_probs": result.lens.top_probs,
        "lens.entropies": result.lens.entropies,
        **{f"{found.method}.scores": found.scores for found in result.attributions},
        **{f"{found.method}.value": np.array(found.value) for found in result.attributions},
        "target": np.array([result.target.token_id, result.target.foil_id, result.target.logprob]),
    }
    return {name: np.asarray(values, dtype=np.float64).round(5).tolist() for name, values in arrays.items()}


@pytest.mark.parametrize("model", ["tiny_gpt2", "tiny_llama"])
def test_a_run_is_what_it_was(model: str, request: pytest.FixtureRequest) -> None:
    backend: HFCausalBackend = request.getfixturevalue(model)
    results = run_batch(backend, RunSpec(backend.info.ref, (), ANALYSES), PROMPTS)
    found = {result.prompt.id: numbers(result) for result in results}
    path = FOLDER / f"{model}_run.json"
    if os.environ.get("HEADSCOPE_REGENERATE_GOLDEN"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    expected = json.loads(path.read_text())
    assert found.keys() == expected.keys()
    for prompt, values in expected.items():
        assert found[prompt].keys() == values.keys()
        for name, golden in values.items():
            np.testing.assert_allclose(found[prompt][name], golden, rtol=2e-3, atol=2e-4, err_msg=f"{prompt} {name}")
