"""A sound model passes every check that applies to it; a planted fault fails the check that is about it, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headscope.analysis.attribution.frozen_norm import is_norm
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.backends.own_attention import own_attention
from headscope.analysis.certificate.certify import QUICK, WHOLE, certify
from headscope.analysis.interfaces import Capture, ForwardResult, TokenBatch
from headscope.analysis.types.certificate import PASSED, ModelCheck
from tests.families import build


@pytest.fixture
def gpt2(tiny_gpt2_dir: Path) -> HFCausalBackend:
    """One of its own, to be broken."""
    return HFCausalBackend.load(str(tiny_gpt2_dir))


def failed(backend: HFCausalBackend, *, whole: bool = False) -> dict[str, str]:
    """Check -> what it says, of those that failed."""
    return {check.name: check.sentence for check in certify(backend, whole=whole).failed}


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama"])
def test_a_sound_model_passes_everything(request: pytest.FixtureRequest, name: str) -> None:
    threads = torch.get_num_threads()
    found = certify(request.getfixturevalue(name), whole=True)
    assert [check.name for check in found.checks] == list(WHOLE)
    assert [(check.name, check.sentence) for check in found.checks if check.status != PASSED] == []
    assert all(0 <= check.error <= check.tolerance for check in found.checks)
    assert found.summary() == f"{len(WHOLE)} of {len(WHOLE)} checks passed"
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("name", ["Gemma2Config", "Gemma3TextConfig", "Olmo2Config", "GraniteConfig", "CohereConfig",
                                  "Qwen3Config", "GPTNeoXConfig", "OPTConfig", "FalconConfig"])  # fmt: skip
def test_a_sound_model_of_any_family_passes_whatever_its_heads_write_into(
    tmp_path: Path, tiny_gpt2_dir: Path, name: str
) -> None:
    backend = HFCausalBackend.load(str(build(tmp_path / "model", tiny_gpt2_dir, name)))
    found = certify(backend, whole=True)
    assert [(check.name, check.sentence) for check in found.failed] == []
    sums = {check.name: check for check in found.checks}
    normed = any(map(is_norm, backend.structure.attn_updates))
    assert normed == (name in {"Gemma2Config", "Gemma3TextConfig", "Olmo2Config"})
    for one in ("head sum", "zeroed head"):
        assert ("normed before it is added" in sums[one].sentence) == normed


def test_what_a_model_does_not_show_is_not_applicable_and_says_why(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    backend = HFCausalBackend.load(str(build(tmp_path / "model", tiny_gpt2_dir, "MambaConfig")))
    found = certify(backend, whole=False)
    assert found.failed == ()
    assert [check.name for check in found.checks] == list(QUICK)
    reasons = {check.name: check.sentence for check in (*found.checks, *found.analyses) if check.status != PASSED}
    assert "has no attention" in reasons["attention rows"] == reasons["attention_raw"]
    assert "keeps no key-value cache" in reasons["next tokens"]
    assert "saliency" not in reasons


def test_positions_off_by_one_under_padding(gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = gpt2.model.forward

    def shifted(position_ids: torch.Tensor | None = None, **given: Any) -> Any:
        if position_ids is not None and not given["attention_mask"].all():  # padded
            position_ids = position_ids + (given["attention_mask"][:, :1] == 0).long()
        return forward(position_ids=position_ids, **given)

    monkeypatch.setattr(gpt2.model, "forward", shifted)
    found = failed(gpt2)
    assert list(found) == ["next tokens"]
    assert "should hold and does not" in found["next tokens"]
    assert "written on from the cache in a padded batch" in found["next tokens"]


def test_a_mask_that_is_not_causal(gpt2: HFCausalBackend) -> None:
    from transformers.models.gpt2 import modeling_gpt2

    def sees_all(*given: Any, **options: Any) -> None:
        return None

    plain = modeling_gpt2.eager_attention_forward
    with own_attention(gpt2.model, "open", lambda m, q, k, v, mask, **o: plain(m, q, k, v, None, **o), sees_all):
        gpt2._fused = "open"
        found = failed(gpt2)
    assert {"causal", "logits (sdpa)", "padding"} <= set(found)
    assert "another last token changes no logit before it" in found["causal"]


def test_a_padded_batch_that_is_masked_wrongly(gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = gpt2.forward

    def masked(batch: TokenBatch, capture: Capture, **given: Any) -> ForwardResult:
        if not batch.attention_mask.all():  # as if the padding had been put in front
            ids = torch.stack([row.roll(int((row_mask == 0).sum())) for row, row_mask in
                               zip(batch.input_ids, batch.attention_mask, strict=True)])  # fmt: skip
            batch = TokenBatch(batch.texts, ids, batch.attention_mask, batch.lengths)
        return forward(batch, capture, **given)

    monkeypatch.setattr(gpt2, "forward", masked)
    found = failed(gpt2)
    assert list(found) == ["padding"]
    assert "padded in one batch, give the same logits as each alone" in found["padding"]


def test_heads_in_another_order_than_they_are_captured(gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = gpt2.head_weights
    monkeypatch.setattr(gpt2, "head_weights", lambda layer: weights(layer).flip(0))
    found = failed(gpt2)
    assert {"head sum", "zeroed head", "direct_logit_attribution sum"} == set(found)
    assert "the writes of all heads of a layer add up" in found["head sum"]


def test_attention_captured_in_another_order_of_heads(gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    forward = gpt2.forward

    def swapped(batch: TokenBatch, capture: Capture, **given: Any) -> ForwardResult:
        found = forward(batch, capture, **given)
        return replace(found, attentions=tuple(layer.flip(1) for layer in found.attentions))

    monkeypatch.setattr(gpt2, "forward", swapped)
    found = failed(gpt2, whole=True)
    assert "attention weights" in found
    assert "transformers' own, head by head" in found["attention weights"]


def test_a_check_that_raises_is_a_failed_check(gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no such kernel\nand more")

    monkeypatch.setattr(gpt2, "generate", broken)
    assert failed(gpt2) == {"next tokens": "could not be computed: RuntimeError: no such kernel"}


def test_a_backend_that_changes_what_it_loads_is_not_held_against_it(gpt2: HFCausalBackend) -> None:
    from dataclasses import replace

    gpt2.info = replace(gpt2.info, ref=replace(gpt2.info.ref, backend="shuffled"))
    checks: dict[str, ModelCheck] = {check.name: check for check in certify(gpt2, whole=False).checks}
    assert "makes another model" in checks["logits (sdpa)"].sentence
    assert checks["padding"].status == PASSED
