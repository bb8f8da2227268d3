from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from headscope.analysis.errors import InputError, NotApplicable
from headscope.analysis.interfaces import Capabilities, Capture
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.running import typed
from headscope.analysis.running.typed import MAX_NEW_TOKENS, analyse_live, continue_live, explain_live
from headscope.analysis.types import GenerationParams
from headscope.analysis.types.live import (
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXT = "The quick fox found a small door in the wall"


def live(backend: HFCausalBackend, text: str = TEXT, **options: object) -> LiveResult:
    return analyse_live(backend, LiveRequest("m", text, **options))  # type: ignore[arg-type]


def explained(
    backend: HFCausalBackend,
    text: str = TEXT,
    unit: str = "token",
    masking: str = "mean",
    first: int = 0,
    **look: object,
) -> LiveExplanation:
    request = LiveRequest("m", text, **look)  # type: ignore[arg-type]
    return explain_live(backend, LiveExplainRequest(request, unit, masking, first))


def test_the_next_token_is_explained(backend: HFCausalBackend) -> None:
    found = live(backend)
    size, info = len(backend.tokenize(TEXT)), backend.info
    assert found.attention.shape == (info.n_layers, info.n_heads, size, size)
    assert found.attention.dtype == np.float16
    assert found.target.token_id == found.trace.topk_ids[-1, 0]
    assert found.seconds > 0


def test_a_chosen_token_is_explained_by_the_tokens_before_it(backend: HFCausalBackend) -> None:
    """The same numbers as for the text cut before it, with its own token as the target."""
    tokens = backend.tokenize(TEXT)
    for position in (1, 3, len(tokens) - 1):
        found = live(backend, target_position=position)
        assert found.target.token_id == tokens.ids[position]
        assert found.target.logprob == pytest.approx(float(found.trace.logprobs[position]), abs=1e-4)
        assert found.target.rank == found.trace.ranks[position]
        scores = explained(backend, target_position=position).attribution.scores if position > 1 else np.zeros(0)
        assert np.isfinite(scores[1:position]).all()
        assert np.isnan(scores[position:]).all()
    position = next(p for p in range(4, len(tokens)) if tokens.texts[p].startswith(" "))
    start = int(tokens.char_spans[position, 0])
    cut = live(backend, TEXT[:start], target=tokens.texts[position])
    assert cut.target.token_id == tokens.ids[position]
    one = explained(backend, target_position=position).attribution
    other = explained(backend, TEXT[:start], target=tokens.texts[position]).attribution
    assert one.value == pytest.approx(other.value, abs=1e-4)
    np.testing.assert_allclose(one.scores[1:position], other.scores[1:], rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("masking", ["mean", "token", "delete"])
@pytest.mark.parametrize("unit", ["token", "word"])
def test_the_parts_of_an_explanation_are_the_occlusion_of_the_whole(
    backend: HFCausalBackend, unit: str, masking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = backend.tokenize(TEXT)
    work = Workspace(backend, [text], Capture())
    target = backend.resolve_target(text, None, None, work.next_logprobs[0])
    whole = Occlusion().attribute(work, [target], {"unit": unit, "masking": masking})[0]
    assert explained(backend, unit=unit, masking=masking).stop == explained(backend, unit=unit, masking=masking).n_units
    monkeypatch.setattr(typed, "PART_TOKENS", 3 * len(text))  # three units a part
    parts = [explained(backend, unit=unit, masking=masking)]
    while parts[-1].stop < parts[-1].n_units:
        parts.append(explained(backend, unit=unit, masking=masking, first=parts[-1].stop))
    assert [part.first for part in parts] == list(range(0, parts[0].n_units, 3))
    scores = np.stack([part.attribution.scores for part in parts])
    assert (np.isfinite(scores).sum(0)[1:] == 1).all()  # every token in one part
    np.testing.assert_allclose(np.nansum(scores, 0)[1:], whole.scores[1:], atol=1e-5)
    assert all(part.attribution.value == pytest.approx(whole.value, abs=1e-5) for part in parts)


def test_an_explanation_is_what_the_model_itself_says_of_the_shorter_text(backend: HFCausalBackend) -> None:
    tokens, gone = backend.tokenize(TEXT), 3
    found = explained(backend, masking="delete", target=" the").attribution
    kept = [token for index, token in enumerate(tokens.ids.tolist()) if index != gone]
    with torch.no_grad():
        said = backend.model(input_ids=torch.tensor([kept])).logits[0, -1].log_softmax(-1)
    token = live(backend, target=" the").target.token_id
    assert found.scores[gone] == pytest.approx(found.value - float(said[token]), abs=1e-4)


def test_one_part_is_one_pass_through_the_model(backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    forward = backend.forward
    monkeypatch.setattr(
        backend, "forward", lambda batch, *rest, **more: sizes.append(len(batch.texts)) or forward(batch, *rest, **more)
    )
    found = explained(backend)
    assert sizes == [1, found.n_units]


def test_what_cannot_be_left_out_is_said(backend: HFCausalBackend) -> None:
    assert "no token" in (explained(backend, target_position=1).attribution.error or "")
    with pytest.raises(InputError, match="none from 900 on"):
        explained(backend, first=900)
    with pytest.raises(InputError, match="masking must be one of"):
        explained(backend, masking="noise")


def test_a_text_is_continued_as_asked(backend: HFCausalBackend) -> None:
    def written(temperature: float, seed: int = 0) -> tuple[int, ...]:
        params = GenerationParams(max_new_tokens=6, temperature=temperature, seed=seed)
        return tuple(continue_live(backend, LiveContinueRequest("m", TEXT, params)).ids.tolist())

    assert written(0)[0] == live(backend).trace.topk_ids[-1, 0]
    assert written(0) == written(0, seed=5)
    assert written(1.5) == written(1.5)
    assert len({written(1.5, seed) for seed in range(4)}) > 1
    with pytest.raises(InputError, match=f"at most {MAX_NEW_TOKENS}"):
        continue_live(backend, LiveContinueRequest("m", TEXT, GenerationParams(max_new_tokens=MAX_NEW_TOKENS + 1)))


def test_a_chosen_token_against_a_foil(backend: HFCausalBackend) -> None:
    found = live(backend, target_position=4, foil=" the")
    assert found.target.foil_id >= 0
    why = explained(backend, target_position=4, foil=" the").attribution
    assert why.quantity == "logprob_difference"
    assert why.value == pytest.approx(found.target.logprob - found.target.foil_logprob, abs=1e-4)


def test_target_and_foil_of_the_next_token(backend: HFCausalBackend) -> None:
    found = live(backend, target=" the", foil=" a")
    assert found.target.chosen == "given"
    why = explained(backend, target=" the", foil=" a").attribution
    assert why.value == pytest.approx(found.target.logprob - found.target.foil_logprob, abs=1e-4)


@pytest.mark.parametrize("position", [0, -1, 500])
def test_a_token_that_has_nothing_before_it_or_is_not_there(backend: HFCausalBackend, position: int) -> None:
    with pytest.raises(InputError, match="choose one from 1 to") as caught:
        live(backend, target_position=position)
    assert caught.value.kind == "target_position"


def test_a_foil_that_is_the_token_itself(tiny_gpt2: HFCausalBackend) -> None:
    text = "One two three"
    tokens = tiny_gpt2.tokenize(text)
    position = next(p for p in range(1, len(tokens)) if tokens.texts[p].startswith(" "))
    with pytest.raises(InputError) as caught:
        live(tiny_gpt2, text, target_position=position, foil=tokens.texts[position])
    assert caught.value.kind == "target_equals_foil"


def test_a_model_without_attention_is_told_apart(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_gpt2, "capabilities", Capabilities(attention=False, sublayers=True, heads=True))
    with pytest.raises(NotApplicable, match="attention weights"):
        live(tiny_gpt2)


def test_a_text_beyond_the_limit_is_told_it_and_what_to_do(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed, "MOST_LIVE_TOKENS", 2)
    with pytest.raises(InputError, match=r"the live view takes 2: shorten it, or .*`headscope run --prompts") as caught:
        analyse_live(tiny_gpt2, LiveRequest("tiny-gpt2", "The cat sat on the mat"))
    assert caught.value.kind == "too_long"
