"""What every registered method promises, on every tiny model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from headscope.analysis.interfaces import Capture, Method
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import METHODS
from headscope.analysis.types import Attribution, Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door in the wall", "One two", "She thinks  that ☃ he thinks")


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    found: Method = METHODS[request.param].load()()
    assert request.param == found.NAME
    return found


def attribute(
    backend: HFCausalBackend,
    method: Method,
    texts: tuple[str, ...],
    foil: str | None = None,
    quantity: str = "logprob",
) -> list[Attribution]:
    needs = METHODS[method.NAME].needs
    capture = Capture(needs.attention, gradients=needs.gradients, attention_gradients=needs.attention_gradients)
    work = Workspace(backend, [backend.tokenize(text) for text in texts], capture)
    targets: list[Target] = [
        replace(backend.resolve_target(text, " the" if foil else None, foil, row), quantity=quantity)
        for text, row in zip(work.texts, work.next_logprobs, strict=True)
    ]
    return method.attribute(work, targets, resolve_params(method.NAME, {}))


@pytest.mark.parametrize("foil", [None, " a"])
def test_shapes_axes_and_facts(backend: HFCausalBackend, method: Method, foil: str | None) -> None:
    found = attribute(backend, method, TEXTS, foil)
    assert len(found) == len(TEXTS)
    for text, attribution in zip(TEXTS, found, strict=True):
        assert attribution.error is None
        assert attribution.method == method.NAME
        info, n_tokens = backend.info, len(backend.tokenize(text))
        sizes = {"position": n_tokens, "layer": info.n_layers, "head": info.n_heads, "component": info.n_heads + 1}
        assert attribution.scores.dtype == np.float32
        assert attribution.axes == METHODS[method.NAME].axes
        assert (attribution.layer_scores is not None) == METHODS[method.NAME].layers
        assert attribution.scores.shape == tuple(sizes[axis] for axis in attribution.axes)
        first = int(attribution.axes[-1] == "position")  # a method may hold the first token
        assert np.isfinite(attribution.scores[..., first:]).all()
        if attribution.layer_scores is not None:
            assert attribution.layer_scores.dtype == np.float32
            assert attribution.layer_scores.shape in {(info.n_layers, n_tokens), (info.n_layers + 1, n_tokens)}
        assert np.isfinite(attribution.value)
        assert attribution.quantity.endswith("_difference") == bool(foil)
        assert (attribution.foil is None) == (foil is None)
        assert attribution.seconds > 0
        assert attribution.signed or (attribution.scores >= 0).all()
        asked, outcome = resolve_params(method.NAME, {}), attribution.outcome
        assert attribution.params == asked
        labels = {*outcome.terms, *outcome.facts, outcome.error_label}
        assert not labels & asked.keys()
        assert not any("_" in label for label in labels), "a label is for people"
        assert (outcome.error is None) == (outcome.error_label == "")


def test_a_batch_equals_prompts_alone(backend: HFCausalBackend, method: Method) -> None:
    for one, text in zip(attribute(backend, method, TEXTS), TEXTS, strict=True):
        (alone,) = attribute(backend, method, (text,))
        np.testing.assert_allclose(one.scores, alone.scores, rtol=2e-3, atol=1e-4)
        assert one.value == pytest.approx(alone.value, abs=1e-4)


def test_the_same_request_gives_the_same_numbers(backend: HFCausalBackend, method: Method) -> None:
    for one, other in zip(attribute(backend, method, TEXTS), attribute(backend, method, TEXTS), strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_logit_is_explained_as_the_choice_says(backend: HFCausalBackend, method: Method) -> None:
    (found,) = attribute(backend, method, TEXTS[:1], quantity="logit")
    work = Workspace(backend, [backend.tokenize(TEXTS[0])], Capture())
    assert found.quantity == "logit"
    assert found.value == pytest.approx(float(work.next_logits.max()), abs=1e-4)


def test_the_model_is_left_as_it_was(backend: HFCausalBackend, method: Method) -> None:
    batch = backend.batch([backend.tokenize(TEXTS[0])])
    before = backend.forward(batch, Capture()).logits
    attribute(backend, method, TEXTS)
    assert bool((backend.forward(batch, Capture()).logits == before).all())
    assert not any(parameter.requires_grad for parameter in backend.model.parameters())


def test_declared_parameters_are_complete(method: Method) -> None:
    for param in METHODS[method.NAME].params:
        assert param.help
        assert param.kind in {"int", "float", "bool", "choice"}
        assert (param.kind == "choice") == bool(param.choices)
    assert method.not_applicable.__doc__
