from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.errors import InputError, NotApplicable
from analysis.interfaces import Capabilities
from analysis.live import analyse_live
from analysis.types import LiveRequest, LiveResult

if TYPE_CHECKING:
    from analysis.backends.hf_causal import HFCausalBackend

TEXT = "The quick fox found a small door in the wall"


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def live(backend: HFCausalBackend, text: str = TEXT, **options: object) -> LiveResult:
    return analyse_live(backend, LiveRequest("m", text, **options))  # type: ignore[arg-type]


def test_the_next_token_is_explained(backend: HFCausalBackend) -> None:
    found = live(backend)
    size, info = len(backend.tokenize(TEXT)), backend.info
    assert found.attention.shape == (info.n_layers, info.n_heads, size, size)
    assert found.attention.dtype == np.float16
    assert [attribution.method for attribution in found.attributions] == ["saliency", "input_x_gradient"]
    assert all(np.isfinite(attribution.scores).all() for attribution in found.attributions)
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
        for attribution in found.attributions:
            assert np.isfinite(attribution.scores[:position]).all()
            assert np.isnan(attribution.scores[position:]).all()
    position = next(p for p in range(4, len(tokens)) if tokens.texts[p].startswith(" "))
    start = int(tokens.char_spans[position, 0])
    cut = live(backend, TEXT[:start], target=tokens.texts[position])
    assert cut.target.token_id == tokens.ids[position]
    found = live(backend, target_position=position)
    for one, other in zip(found.attributions, cut.attributions, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-4)
        np.testing.assert_allclose(one.scores[:position], other.scores, rtol=2e-3, atol=1e-5)


def test_without_attributions_everything_else_is_the_same(backend: HFCausalBackend) -> None:
    quick, whole = live(backend, target_position=4, attributions=False), live(backend, target_position=4)
    assert quick.attributions == ()
    assert quick.target == whole.target
    np.testing.assert_array_equal(quick.attention, whole.attention)
    np.testing.assert_allclose(quick.trace.logprobs, whole.trace.logprobs, atol=1e-5)


def test_a_chosen_token_against_a_foil(backend: HFCausalBackend) -> None:
    found = live(backend, target_position=4, foil=" the")
    assert found.target.foil_id >= 0
    assert found.attributions[0].quantity == "logprob_difference"
    assert found.attributions[0].value == pytest.approx(found.target.logprob - found.target.foil_logprob, abs=1e-4)


def test_target_and_foil_of_the_next_token(backend: HFCausalBackend) -> None:
    found = live(backend, target=" the", foil=" a")
    assert found.target.chosen == "given"
    assert found.attributions[1].value == pytest.approx(found.target.logprob - found.target.foil_logprob, abs=1e-4)


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
