"""What holds for every family of causal models: its numbers are those of transformers, or a sentence says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import BackendError
from headscope.analysis.running import runner
from headscope.analysis.types import GenerationParams, Prompt, RunResult, RunSpec, RunStatus
from tests.families import FAMILIES, build

REFUSED = {
    "OpenAIGPTConfig": "the architecture OpenAIGPTLMHeadModel is not supported",
    "ElectraConfig": "the architecture ElectraForCausalLM is not supported",
    "BertGenerationConfig": "BertGenerationDecoder is not causal",
}
WITHOUT_ATTENTION = {"MambaConfig": "has no attention", "RwkvConfig": "gives no weights"}
HYBRIDS = {"JambaConfig": (1,), "Qwen3NextConfig": (1,), "Lfm2Config": (1,)}
WITHOUT_CONTINUATION = set(WITHOUT_ATTENTION)
PROMPTS = (
    Prompt("a", "The fox went"),
    Prompt("b", "the children ran out of the house into the street", " and", " the"),
)
ASKED = ("heads", "layers", "logit_lens", "attention", "saliency", "input_x_gradient", "attention_raw")


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - set(REFUSED)))
def test_family(tmp_path: Path, tiny_gpt2_dir: Path, name: str) -> None:
    folder = build(tmp_path / "model", tiny_gpt2_dir, name)
    backend = HFCausalBackend.load(str(folder))
    spec = RunSpec(backend.info.ref, (), ASKED, generation=GenerationParams(3))
    together = runner.run_batch(backend, spec, PROMPTS)
    alone = [runner.run_batch(backend, spec, [prompt])[0] for prompt in PROMPTS]
    reference = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    for one, other in zip(together, alone, strict=True):
        _same(one, other)
        _as_transformers(one, reference)
        _complete(one, name)


def _same(one: RunResult, other: RunResult) -> None:
    """Company and padding change nothing."""
    assert (one.status, one.error, one.missing) == (RunStatus.SUCCEEDED, None, other.missing)
    assert one.trace is not None
    assert other.trace is not None
    np.testing.assert_allclose(one.trace.logprobs, other.trace.logprobs, atol=1e-4)
    for a, b in zip(one.attributions, other.attributions, strict=True):
        assert a.error == b.error
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-3 * max(1, np.nanmax(np.abs(b.scores), initial=0)))
    if one.continuation is not None and other.continuation is not None:
        assert one.continuation.ids.tolist() == other.continuation.ids.tolist()
        np.testing.assert_allclose(one.continuation.logprobs, other.continuation.logprobs, atol=1e-4)


def _as_transformers(result: RunResult, reference: torch.nn.Module) -> None:
    assert result.trace is not None
    ids = result.trace.tokens.ids.tolist()
    with torch.no_grad():
        found = reference(input_ids=torch.tensor([ids]), output_attentions=True)
    logprobs = found.logits[0].log_softmax(-1)
    expected = [float(logprobs[position, token]) for position, token in enumerate(ids[1:])]
    np.testing.assert_allclose(result.trace.logprobs[1:], expected, atol=1e-4)
    theirs = [layer for layer in getattr(found, "attentions", None) or () if layer is not None and layer.dim() == 4]
    if result.attention is not None and theirs:
        read = [layer for layer in result.attention.astype(np.float32) if not np.isnan(layer).any()]
        assert len(read) == len(theirs)
        for mine, their in zip(read, theirs, strict=True):
            np.testing.assert_allclose(mine, their[0].numpy(), atol=2e-3)
    if result.continuation is not None and len(result.continuation.ids):
        written = [*ids, *result.continuation.ids.tolist()]
        with torch.no_grad():
            logprobs = reference(input_ids=torch.tensor([written])).logits[0].log_softmax(-1)
        expected = [
            float(logprobs[position, written[position + 1]]) for position in range(len(ids) - 1, len(written) - 1)
        ]
        np.testing.assert_allclose(result.continuation.logprobs, expected, atol=1e-3)


def _complete(result: RunResult, name: str) -> None:
    """Everything that was asked for is there, or its reason is."""
    missing = {part.part: part.reason for part in result.missing}
    expected = {"heads", "attention"} if name in WITHOUT_ATTENTION else set()
    expected |= {"continuation"} if name in WITHOUT_CONTINUATION else set()
    assert set(missing) == expected
    assert result.layers is not None
    assert result.lens is not None
    saliency, product, raw = result.attributions
    assert saliency.error is None
    assert ("normalises embeddings" in product.error) if name == "BloomConfig" else product.error is None
    assert np.nanmax(np.abs(saliency.scores)) > 0
    if name in WITHOUT_ATTENTION:
        assert WITHOUT_ATTENTION[name] in missing["attention"] == missing["heads"] == raw.error
        return
    assert result.heads is not None
    assert result.attention is not None
    seen = tuple(np.flatnonzero(~np.isnan(result.heads.max_weight).any(-1)).tolist())
    assert seen == HYBRIDS.get(name, (0, 1, 2))
    assert result.capsule["attention_layers"] == list(HYBRIDS.get(name, ()))
    assert not np.triu(np.nan_to_num(result.attention, nan=1.0), 1).any()
    assert (raw.error is None) == (name not in HYBRIDS)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_in_a_sentence(tmp_path: Path, tiny_gpt2_dir: Path, name: str) -> None:
    folder = build(tmp_path / "model", tiny_gpt2_dir, name)
    with pytest.raises(BackendError, match=REFUSED[name]) as refused:
        HFCausalBackend.load(str(folder))
    assert "\n" not in str(refused.value)
