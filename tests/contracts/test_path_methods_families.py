"""Baselines and paths in every family of architectures: integrated gradients are captum's, whatever is done to what the
embedding module looks up (Gemma scales it, Bloom normalises it afterwards)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from captum.attr import IntegratedGradients as CaptumIntegratedGradients

from headscope.analysis.attribution.embedding_path import baseline_embedding
from headscope.analysis.attribution.masking import Masking, neutral
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.input_x_gradient import InputXGradient, embedding_cosine
from headscope.analysis.methods.integrated_gradients import IntegratedGradients
from headscope.analysis.workspace import Workspace
from tests import families

TWO_LAYERS = {"num_hidden_layers": 2}
SMALL, GROUPED = families.PLAIN | TWO_LAYERS, families.GROUPED | TWO_LAYERS
FEW = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
FAMILIES: dict[str, dict[str, Any]] = {
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "Llama": GROUPED,
    "Mistral": GROUPED,
    "Qwen2": GROUPED,
    "Gemma": GROUPED,
    "Gemma2": GROUPED,
    "Gemma3Text": GROUPED,
    "GPTNeoX": SMALL,
    "Phi": SMALL,
    "OPT": FEW | {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "Falcon": FEW,
    "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
}
SCALED = {"Gemma", "Gemma2", "Gemma3Text"}
EOS = 7  # not that of padding, whose embedding is zero
TEXT = "The fox found a small\ndoor"


@pytest.fixture(scope="module", params=FAMILIES)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path
) -> tuple[str, HFCausalBackend]:
    name: str = request.param
    config = getattr(transformers, f"{name}Config")(
        vocab_size=400, bos_token_id=0, eos_token_id=EOS, pad_token_id=0, **FAMILIES[name]
    )
    config.initializer_range = 0.1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = transformers.AutoModelForCausalLM.from_config(config)
    folder = tmp_path_factory.mktemp(name)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((tiny_gpt2_dir / file).read_bytes())
    return name, HFCausalBackend.load(str(folder))


def read(backend: HFCausalBackend, ids: list[int]) -> torch.Tensor:
    """What the model really puts in for these tokens, `[n, d]`, caught on the way out of its embedding module."""
    caught: list[torch.Tensor] = []
    module: Any = backend.model.get_input_embeddings()
    handle = module.register_forward_hook(lambda _module, _inputs, output: caught.append(output.detach()))
    with torch.no_grad():
        backend.model(input_ids=torch.tensor([ids]))
    handle.remove()
    return caught[0][0]


@pytest.mark.parametrize("baseline", ["newline", "eos", "mean"])
def test_integrated_gradients_are_captums(family: tuple[str, HFCausalBackend], baseline: str) -> None:
    name, backend = family
    text = backend.tokenize(TEXT)
    work = Workspace(backend, [text], Capture(gradients=True))
    target = backend.resolve_target(text, " the", None, work.next_logprobs[0])
    params = {"baseline": baseline, "rule": "gausslegendre", "n_steps": 12}
    (found,) = IntegratedGradients().attribute(work, [target], params)
    newline = int(backend.tokenize("\n").ids[-1])
    ids = {"newline": [newline], "eos": [EOS], "mean": [*range(64)]}[baseline]
    if baseline == "mean":
        start = torch.cat([read(backend, [*range(low, min(low + 50, 400))]) for low in range(0, 400, 50)]).mean(0)
    else:
        start = read(backend, ids)[0]
    here = read(backend, text.ids.tolist())[None]
    begin = start.expand_as(here).clone()
    begin[:, 0] = here[:, 0]

    def forward(embeddings: torch.Tensor) -> torch.Tensor:
        logits = backend.model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
        return torch.log_softmax(logits.float(), -1)[:, target.token_id]

    explained = CaptumIntegratedGradients(forward).attribute(here, begin, n_steps=12, method="gausslegendre")
    expected = explained.sum(-1)[0].detach().numpy()
    same = (text.ids == newline) & (baseline == "newline")
    same[0] = True
    np.testing.assert_array_equal(np.isnan(found.scores), same)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.scores[~same], expected[~same], atol=1e-3 * scale)
    assert found.params["baseline"] == baseline
    assert found.outcome.facts == {}  # and was used
    if name in SCALED:
        raw = backend.model.get_input_embeddings().weight.detach()  # type: ignore[operator]
        assert not torch.allclose(baseline_embedding(backend, baseline)[1], raw[ids].mean(0), rtol=0.1)


def test_what_replaces_a_removed_token_is_what_the_model_reads(family: tuple[str, HFCausalBackend]) -> None:
    _, backend = family
    newline = int(backend.tokenize("\n").ids[-1])
    assert torch.allclose(neutral(backend, Masking("token")), read(backend, [newline])[0])


def test_gradient_x_input_is_refused_where_embeddings_are_normalised(family: tuple[str, HFCausalBackend]) -> None:
    name, backend = family
    reason = InputXGradient().not_applicable(backend)
    assert (reason is not None) is (name == "Bloom"), embedding_cosine(backend)
    assert reason is None or "rounding noise" in reason


def test_the_mean_follows_the_weights(family: tuple[str, HFCausalBackend]) -> None:
    _, backend = family
    before = neutral(backend, Masking("mean")).clone()
    weight: Any = backend.model.get_input_embeddings().weight  # type: ignore[operator]
    with torch.no_grad():
        weight.mul_(2)
        after = neutral(backend, Masking("mean"))
        weight.mul_(0.5)
    assert torch.allclose(after, 2 * before, atol=1e-5)
    assert torch.allclose(neutral(backend, Masking("mean")), before)
