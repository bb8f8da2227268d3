"""Two layers with small integers: relevance propagation and direct logit attribution against numbers got with a pencil.

Llama's block with ReLU, d 4, two heads of two dimensions; queries and keys are 0, so patterns are uniform.
The streams are chosen so that every norm divides by 1 or 2. At the second token, [dimension]:

    embedding                             (0, 2, 0, 0)         the first token's: (2, 0, 0, 0)
    layer 0 head 0: half of token 1's 2   + (0, 0, 2, 0)
            head 1: half of token 2's 2   + (2, 0, 0, 2)        (2, 2, 2, 2), normed (1, 1, 1, 1)
            MLP: relu(1) * 2 = 2          + (-4, 0, 0, 0)       (-2, 2, 2, 2), normed (-1, 1, 1, 1)
    layer 1 head 0: half of its own 1     + (0, -4, 0, 0)       (-2, -2, 2, 2), normed (-1, -1, 1, 1)
            MLP: relu(2) * 1 = 2          + (0, 0, 0, -4)       (-2, -2, 2, -2), normed (-1, -1, 1, -1)
    unembedding (-3, 1, 4, 2)             3 - 1 + 4 - 2 = 4
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.lrp import relevance
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.direct_logit_attribution import DirectLogitAttribution
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace
from tests.families import build

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = {
    "hidden_size": 4,
    "intermediate_size": 2,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "hidden_act": "relu",
    "rms_norm_eps": 0.0,
    "tie_word_embeddings": False,
}
TOKEN = 5
# of every matrix `[out, in]` that is not zero: (out, in, value)
WEIGHTS = {
    "0.self_attn.v_proj": [(0, 0, 1), (2, 1, 1)],
    "0.self_attn.o_proj": [(2, 0, 2), (0, 2, 2), (3, 2, 2)],
    "0.mlp.gate_proj": [(0, 2, 1)],
    "0.mlp.up_proj": [(0, 3, 2)],
    "0.mlp.down_proj": [(0, 0, -2)],
    "1.self_attn.v_proj": [(0, 1, 1)],
    "1.self_attn.o_proj": [(1, 0, -8)],
    "1.mlp.gate_proj": [(0, 2, 2), (1, 0, 1)],
    "1.mlp.up_proj": [(0, 0, -1)],
    "1.mlp.down_proj": [(3, 0, -2)],
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path) -> Workspace:
    backend = HFCausalBackend.load(str(build(tmp_path_factory.mktemp("hand"), tiny_gpt2_dir, "LlamaConfig", SHAPE)))
    model: Any = backend.model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0 if parameter.dim() == 1 else 0.0)
        for name, entries in WEIGHTS.items():
            for out, given, value in entries:
                model.get_parameter(f"model.layers.{name}.weight")[out, given] = value
        model.lm_head.weight[TOKEN] = torch.tensor([-3.0, 1.0, 4.0, 2.0])
    embeddings = torch.tensor([[[2.0, 0, 0, 0], [0, 2.0, 0, 0]]])
    return Workspace(backend, [backend.tokenize(" the the")], Capture(), embeddings=embeddings)


TARGET = Target(TOKEN, "t", 1, "given", 0.0, 1, quantity="logit")


# tokens, what the layers read, heads, leak
EXPECTED = {
    "cp_lrp": ([3, 1], [[3, 1], [0, 4], [0, 4]], [[3, 2], [-2, 0]], 0),
    "attn_lrp": ([1.5, 1], [[1.5, 1], [0, 5], [0, 4]], [[3, 2], [-2, 0]], 1.5),
}


@pytest.mark.parametrize("rule", EXPECTED)
def test_relevance(work: Workspace, rule: str) -> None:
    tokens, layers, heads, leak = EXPECTED[rule]
    found = relevance(work.backend, work.embeddings, work.positions, [TARGET], rule)
    assert float(found.logits[0]) == pytest.approx(4)
    np.testing.assert_allclose(found.tokens[0], tokens, atol=1e-5)
    np.testing.assert_allclose(found.layers[:, 0], layers, atol=1e-5)
    np.testing.assert_allclose(torch.stack(found.heads)[:, 0], heads, atol=1e-5)
    assert float(found.leak[0]) == pytest.approx(leak, abs=1e-5)
    assert float(found.bias[0]) == float(found.position[0]) == 0


def test_direct_logit_attribution(work: Workspace) -> None:
    (found,) = DirectLogitAttribution().attribute(work, [TARGET], {})
    np.testing.assert_allclose(found.scores, [[4, -1, 6], [-2, 0, -4]], atol=1e-5)
    assert found.outcome.terms == pytest.approx({"token embedding": 1, "position embeddings": 0, "biases": 0})
    assert found.value == pytest.approx(4)
