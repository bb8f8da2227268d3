"""Targets, decoding and continuations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.backends.sampling import _draw
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture
from headscope.analysis.types import GenerationParams, Target

PROMPTS = ("The baker said that the bread", "Anna gave", "One two three four five six seven eight nine ten")


def resolve(backend: HFCausalBackend, text: str, target: str | None, foil: str | None = None) -> Target:
    logprobs = torch.linspace(0, 3, backend.info.vocab_size).log_softmax(-1)
    return backend.resolve_target(backend.tokenize(text), target, foil, logprobs)


def test_target_is_the_token_that_continues_the_text(backend: HFCausalBackend) -> None:
    found = resolve(backend, "When the rain stopped, the", " bread", " the")
    whole = backend.tokenize("When the rain stopped, the bread").ids.tolist()
    assert (found.token_id, found.text, found.n_tokens, found.chosen) == (whole[-1], " bread", 1, "given")
    assert (found.foil_text, found.foil_n_tokens) == (" the", 1)
    assert found.rank == backend.info.vocab_size - found.token_id  # log-probabilities rise with the id
    assert found.foil_rank == backend.info.vocab_size - found.foil_id
    assert found.foil_logprob < 0


def test_without_a_target_the_models_own_first_choice_is_explained(backend: HFCausalBackend) -> None:
    found = resolve(backend, "the", None)
    assert (found.token_id, found.rank, found.chosen) == (backend.info.vocab_size - 1, 1, "predicted")
    assert (found.foil_id, found.foil_text, found.foil_n_tokens, found.foil_rank) == (-1, None, 0, -1)
    assert math.isnan(found.foil_logprob)


def test_target_of_several_tokens_says_so(backend: HFCausalBackend) -> None:
    found = resolve(backend, "the", " zebra")
    assert found.n_tokens > 1
    assert " zebra".startswith(found.text)


def test_border_that_would_merge_keeps_the_prompt_as_it_is(backend: HFCausalBackend) -> None:
    """ "the " + "bread" is one token " bread" when written together; the prompt has its space already."""
    tokens = backend.tokenize("the ")
    assert tokens.texts[-1] == " "
    found = resolve(backend, "the ", "bread")
    assert "bread".startswith(found.text)
    alone = backend._codec.ids_of("bread")
    assert backend._codec.spelled(alone) == b"bread"
    assert (found.token_id, found.n_tokens) == (alone[0], len(alone))


def test_target_without_a_space_is_not_given_one(backend: HFCausalBackend) -> None:
    found = resolve(backend, "walk", "ed")
    assert "ed".startswith(found.text)


def test_split_character_as_target(backend: HFCausalBackend) -> None:
    found = resolve(backend, "the", "🙂")
    assert found.n_tokens == 4
    assert found.text == "\ufffd"


@pytest.mark.parametrize(
    ("target", "foil", "kind"),
    [
        ("", None, "target_missing"),
        (None, " she", "target_missing"),
        (" bread", "", "target_missing"),
        (" bread", " bread", "target_equals_foil"),
        (" bread", " breads", "target_equals_foil"),
    ],
)
def test_targets_that_cannot_be_used(backend: HFCausalBackend, target: str | None, foil: str | None, kind: str) -> None:
    with pytest.raises(InputError) as error:
        resolve(backend, "the", target, foil)
    assert error.value.kind == kind


def test_decode_shows_no_markers(backend: HFCausalBackend) -> None:
    ids = backend.tokenize(" the door\n").ids.tolist()
    shown = backend.decode(ids)
    assert not any(mark in text for text in shown for mark in "▁ĠĊ")
    assert "".join(shown).endswith("the door\n")
    assert backend.decode([10**6]) == [""]


def params(**changes: float) -> GenerationParams:
    return GenerationParams(**{"max_new_tokens": 8, "temperature": 1.0, "top_p": 0.9, "seed": 3} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_continuation_is_the_same_in_any_batch_and_again(backend: HFCausalBackend, temperature: float) -> None:
    texts = [backend.tokenize(prompt) for prompt in PROMPTS]
    wanted = params(temperature=temperature)
    together = backend.generate(texts, wanted)
    alone = [backend.generate([text], wanted)[0] for text in texts]
    again = backend.generate(texts[::-1], wanted)[::-1]
    for one, two, three in zip(together, alone, again, strict=True):
        assert one.ids.tolist() == two.ids.tolist() == three.ids.tolist()
        assert np.allclose(one.logprobs, two.logprobs, atol=1e-4)
        assert len(one.ids) == len(one.texts) == len(one.logprobs) > 0
        assert "".join(one.texts) == one.text or "\ufffd" in one.text


def test_seed_and_prompt_change_the_draw(backend: HFCausalBackend) -> None:
    text = backend.tokenize(PROMPTS[0])
    drawn = {tuple(backend.generate([text], params(seed=seed))[0].ids.tolist()) for seed in range(4)}
    assert len(drawn) > 1


def test_logprobs_are_those_of_the_unmodified_distribution(backend: HFCausalBackend) -> None:
    """Teacher-forced in one pass without a cache; sampling settings must not change the reported numbers."""
    text = backend.tokenize(PROMPTS[0])
    found = backend.generate([text], params(temperature=0.5, top_p=0.5))[0]
    ids = torch.tensor([[*text.ids.tolist(), *found.ids.tolist()]])
    with torch.no_grad():
        logprobs = backend.model(input_ids=ids).logits[0].log_softmax(-1)
    expected = [float(logprobs[len(text) - 1 + n, token]) for n, token in enumerate(found.ids.tolist())]
    assert found.logprobs == pytest.approx(expected, abs=1e-4)


def test_greedy_takes_the_most_likely_token(backend: HFCausalBackend) -> None:
    text = backend.tokenize(PROMPTS[0])
    logits = backend.forward(backend.batch([text]), Capture(last_logits_only=True)).logits
    assert backend.generate([text], params(temperature=0.0))[0].ids[0] == int(logits.argmax())


def test_stops_at_the_end_token_and_at_the_context(backend: HFCausalBackend) -> None:
    text = backend.tokenize(PROMPTS[0])
    first, second = backend.generate([text], params(temperature=0.0))[0].ids[:2].tolist()
    stop, backend._stop = backend._stop, frozenset({second if second != first else first})
    try:
        cut = backend.generate([text], params(temperature=0.0))[0]
    finally:
        backend._stop = stop
    assert cut.ids.tolist() == ([first] if second != first else [])
    unbounded = backend.generate([text], params(temperature=0.0, max_new_tokens=500))[0]
    assert len(text) + len(unbounded.ids) == backend.info.context_length
    assert backend.generate([text], params(max_new_tokens=0))[0].ids.tolist() == []
    assert backend.generate([], params()) == []


def test_draw_follows_the_nucleus() -> None:
    """Probabilities .5 .3 .15 .05: top-p .7 keeps two tokens, in the ratio 5 to 3."""
    logprobs = torch.tensor([0.05, 0.5, 0.15, 0.3]).log()
    generator = torch.Generator().manual_seed(1)
    drawn = [_draw(logprobs, GenerationParams(1, 1.0, 0.7), generator) for _ in range(2000)]
    assert set(drawn) == {1, 3}
    assert drawn.count(1) / 2000 == pytest.approx(0.625, abs=0.035)
    everything = [_draw(logprobs, GenerationParams(1, 1.0, 1.0), generator) for _ in range(2000)]
    assert everything.count(0) / 2000 == pytest.approx(0.05, abs=0.02)
    sharp = [_draw(logprobs, GenerationParams(1, 0.5, 1.0), generator) for _ in range(2000)]
    assert sharp.count(1) / 2000 == pytest.approx(0.25 / 0.365, abs=0.035)


def test_embedded_model_knows_english(smollm2: HFCausalBackend) -> None:
    text = smollm2.tokenize("The doctor told the nurse that")
    logits = smollm2.forward(smollm2.batch([text]), Capture(last_logits_only=True)).logits[0, 0]
    found = smollm2.resolve_target(text, " she", " he", logits.log_softmax(-1))
    assert math.exp(found.logprob) == pytest.approx(0.249, abs=0.005)
    assert math.exp(found.foil_logprob) == pytest.approx(0.058, abs=0.005)
    assert found.rank == 1
    assert smollm2.info.ref.name == "smollm2-135m-instruct"
