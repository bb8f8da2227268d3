"""Paths that begin alike share forward passes, and give what each gives alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from headscope.analysis.attribution.embedding_path import EmbeddingPath
from headscope.analysis.interfaces import Capture
from headscope.analysis.types import Target
from headscope.analysis.types.tokens import first_tokens
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXT, OTHER = "one two three four five six", "one two house cat door"
STEPS = [0.0, 0.25, 0.5, 1.0]


def target(token: int) -> Target:
    return Target(token, "", 1, "named", 0.0, -1)


def path(backend: HFCausalBackend, ends: list[int], *, hold_first: bool = True) -> EmbeddingPath:
    """Starts of the text, then another text that begins as it does, then the first start with another target."""
    whole = backend.tokenize(TEXT)
    texts = [*(first_tokens(whole, end) for end in ends), backend.tokenize(OTHER), first_tokens(whole, ends[0])]
    targets = [target(5 + 3 * row) for row in range(len(texts))]
    return EmbeddingPath(Workspace(backend, texts, Capture()), targets, "mean", hold_first)


@pytest.mark.parametrize("hold_first", [True, False])
def test_each_point_is_as_if_asked_alone(
    backend: HFCausalBackend, hold_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = path(backend, [3, 6, 4, 2], hold_first=hold_first)
    asks = [(prompt, step) for prompt in range(6) for step in STEPS] + [(1, 0.75), (0, 0.5)]
    read: list[int] = []
    forward = backend.read
    monkeypatch.setattr(backend, "read", lambda inputs, *more: read.append(len(inputs)) or forward(inputs, *more))
    rates, values = found.evaluate(*zip(*asks, strict=True))
    if hold_first:  # the text and the other one at four points, and one point more
        assert sum(read) == 2 * len(STEPS) + 1
    for ask, (prompt, step) in enumerate(asks):
        rate, value = found.evaluate([prompt], [step])
        torch.testing.assert_close(rates[ask], rate[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(values[ask], value[0], rtol=1e-5, atol=1e-5)
        assert not rates[ask, int(found.work.positions[prompt]) + 1 :].any()


def test_tokens_given_in_one_of_two_starts_make_two_paths(backend: HFCausalBackend) -> None:
    whole = backend.tokenize(TEXT)
    texts, targets = [replace(whole, given=len(whole) - 3), first_tokens(whole, 4)], [target(5), target(8)]
    found = EmbeddingPath(Workspace(backend, texts, Capture()), targets, "mean", hold_first=True)
    alone = EmbeddingPath(Workspace(backend, texts[1:], Capture()), targets[1:], "mean", hold_first=True)
    rates, values = found.evaluate([0, 1], [0.5, 0.5])
    rate, value = alone.evaluate([0], [0.5])
    assert not rates[0, 3:].any()
    torch.testing.assert_close(rates[1, :4], rate[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(values[1], value[0], rtol=1e-5, atol=1e-5)
    assert rates[1, 3] != 0
