"""Other families: what is found by structure is checked, and what does not add up is reported as missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import BackendError, NotApplicable
from headscope.analysis.interfaces import Capture
from headscope.analysis.measurements.heads import head_summaries
from headscope.analysis.types import GenerationParams
from tests.families import GROUPED, PLAIN, build

# config class: (attention weights readable in every layer, updates add up to the residual stream)
CASES = {
    "Qwen2Config": (True, True),
    "Qwen3Config": (True, True),
    "MistralConfig": (True, True),
    "MixtralConfig": (True, True),
    "GPTNeoXConfig": (True, True),
    "OPTConfig": (True, True),
    "GPTNeoConfig": (True, True),
    "Gemma2Config": (True, True),
    "Olmo2Config": (True, True),
    "CohereConfig": (True, True),
    "GraniteConfig": (True, False),
    "BloomConfig": (True, False),
    "MambaConfig": (False, False),
}


@pytest.mark.parametrize("name", CASES)
def test_family(tmp_path: Path, tiny_gpt2_dir: Path, name: str) -> None:
    attention, sublayers = CASES[name]
    folder = build(tmp_path / "model", tiny_gpt2_dir, name)
    backend = HFCausalBackend.load(str(folder))
    found = backend.capabilities
    assert (found.attention, found.sublayers, found.heads) == (attention, sublayers, sublayers)
    assert len(found.notes) == (not attention) + 2 * (not sublayers)
    texts = [backend.tokenize(text) for text in ("The fox went", "the children ran out of the house into")]
    batch = backend.batch(texts)
    passed = backend.forward(batch, Capture(attention=attention, residuals=True, gradients=True))
    reference = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    for row, text in enumerate(texts):
        with torch.no_grad():
            expected = reference(input_ids=torch.tensor([text.ids.tolist()])).logits[0]
        assert torch.allclose(passed.logits[row, : len(text)], expected, atol=1e-4)
        assert torch.allclose(backend.unembed(passed.residuals[-1])[row, : len(text)], expected, atol=1e-4)
    assert len(passed.attentions) == (3 if attention else 0)
    assert len(passed.attn_updates) == len(passed.mlp_updates) == (3 if sublayers else 0)
    (grad,) = torch.autograd.grad(passed.logits[0, len(texts[0]) - 1, 5], passed.embeddings)
    assert grad[0, : len(texts[0])].abs().sum() > 0
    wanted = GenerationParams(max_new_tokens=4)
    if name == "MambaConfig":
        with pytest.raises(NotApplicable, match="no key-value cache"):
            backend.generate(texts, wanted)
        return
    together, alone = backend.generate(texts, wanted), [backend.generate([text], wanted)[0] for text in texts]
    assert [c.ids.tolist() for c in together] == [c.ids.tolist() for c in alone]


LOCAL = [["global", "local"], 1], [["global"], 1]
WINDOWS: list[tuple[str, dict[str, Any], tuple[bool, ...]]] = [
    ("MistralConfig", GROUPED | {"sliding_window": 4}, (True, True, True)),
    ("Phi3Config", PLAIN | {"sliding_window": 4}, (True, True, True)),
    ("Gemma2Config", GROUPED | {"sliding_window": 4}, (True, False, True)),
    ("Gemma3TextConfig", GROUPED | {"sliding_window": 4, "sliding_window_pattern": 2}, (True, False, True)),
    (
        "GPTNeoConfig",
        {"hidden_size": 32, "num_layers": 3, "num_heads": 4, "attention_types": LOCAL, "window_size": 4},
        (False, True, False),
    ),
    ("Qwen2Config", GROUPED, (False, False, False)),
    ("BloomConfig", {"hidden_size": 32, "n_layer": 3, "n_head": 4}, (False, False, False)),
]


@pytest.mark.parametrize(("name", "settings", "local"), WINDOWS, ids=[case[0] for case in WINDOWS])
def test_the_keys_each_layer_sees(
    tmp_path: Path, tiny_gpt2_dir: Path, name: str, settings: dict[str, Any], local: tuple[bool, ...]
) -> None:
    backend = HFCausalBackend.load(str(build(tmp_path / "model", tiny_gpt2_dir, name, settings)))
    texts = [backend.tokenize(text) for text in ("The children ran out of the house into the street", "The fox went")]
    batch = backend.batch(texts)
    passed = backend.forward(batch, Capture(attention=True))
    size = batch.input_ids.shape[1]
    whole = torch.ones(size, size, dtype=torch.bool).tril()
    window = whole & torch.ones(size, size, dtype=torch.bool).triu(-3)  # itself and the three before it
    assert size > 8
    for layer, (weights, visible) in enumerate(zip(passed.attentions, passed.visible, strict=True)):
        assert torch.equal(visible, window if local[layer] else whole), layer
        assert torch.equal((weights > 0).any(1)[0], visible)
    found = head_summaries(passed.attentions, batch, passed.visible)[0].entropy_normalised
    row = passed.attentions[local.index(True) if True in local else 0][0, 0].double()
    n = (window if True in local else whole).sum(-1)
    expected = [float(torch.special.entr(row[q]).sum() / torch.log(n[q].double())) for q in range(1, size)]
    assert found[local.index(True) if True in local else 0, 0] == pytest.approx(sum(expected) / len(expected), rel=1e-5)
    assert backend.forward(batch, Capture()).visible == ()


SINKS = GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 4}


def test_rows_that_leave_weight_to_a_learned_sink_are_noted_at_load(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    backend = HFCausalBackend.load(str(build(tmp_path / "model", tiny_gpt2_dir, "GptOssConfig", SINKS)))
    assert backend.capabilities.attention
    assert any("sum to less than 1" in note for note in backend.capabilities.notes)
    batch = backend.batch([backend.tokenize("The children ran out of the house")])
    passed = backend.forward(batch, Capture(attention=True))
    found = head_summaries(passed.attentions, batch, passed.visible)[0]
    for layer, weights in enumerate(passed.attentions):
        missing = 1 - weights[0].sum(-1)[:, 1:].mean(-1)
        np.testing.assert_allclose(found.missing_mass[layer], missing, rtol=1e-4)
        assert missing.max() > 0.05


def test_model_whose_head_is_not_understood_is_refused() -> None:
    from headscope.analysis.backends.structure import discover

    config = transformers.BertConfig(vocab_size=400, is_decoder=True, **PLAIN)
    with pytest.raises(BackendError, match="not supported"):
        discover(transformers.BertLMHeadModel(config).eval())
