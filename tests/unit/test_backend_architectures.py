"""Other families: what is found by structure is checked, and what does not add up is reported as missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from analysis.backends.hf_causal import HFCausalBackend
from analysis.errors import BackendError, NotApplicable
from analysis.interfaces import Capture
from analysis.types import GenerationParams
from tests.families import PLAIN, build

NORMED_AFTER = ("Gemma2Config", "Olmo2Config")  # the update is no sum of the heads' outputs

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
    heads = sublayers and name not in NORMED_AFTER
    found = backend.capabilities
    assert (found.attention, found.sublayers, found.heads) == (attention, sublayers, heads)
    assert len(found.notes) == (not attention) + (not sublayers) + (not heads)
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


def test_model_whose_head_is_not_understood_is_refused() -> None:
    from analysis.backends.structure import discover

    config = transformers.BertConfig(vocab_size=400, is_decoder=True, **PLAIN)
    with pytest.raises(BackendError, match="not supported"):
        discover(transformers.BertLMHeadModel(config).eval())
