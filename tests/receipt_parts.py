"""Receipts as a request makes them, and an attribution that knows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headscope.analysis.attribution.asked_again import NextTokens
from headscope.analysis.attribution.evidence import attach_receipts
from headscope.analysis.attribution.removal_test import RemovalTest
from headscope.analysis.attribution.results import position_attribution
from headscope.analysis.attribution.summed import next_tokens
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture, LoadedMethod
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import Needs
from headscope.analysis.running.attributing import load_method
from headscope.analysis.types import Attribution, Target
from headscope.analysis.types.receipts import Receipt
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence


SHORT = "The quick fox found a small door"
LONG = "The quick fox found a small door in the wall and the dog ran away"
CAPTURE = Capture(gradients=True)


class RandomScores:
    """An attribution that knows nothing."""

    NAME = "random"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def not_applicable(self, backend: Any) -> None:
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Any) -> list[Attribution]:
        return [
            position_attribution(
                self.NAME, target, self._generator.normal(size=len(text)).astype(np.float32), slice(0, len(text)),
                signed=True, value=1.0, seconds=0.0, params={},
            )
            for text, target in zip(work.texts, targets, strict=True)
        ]  # fmt: skip


def prepared(backend: HFCausalBackend, *texts: str, target: str | None = None) -> tuple[Workspace, list[Target]]:
    work = Workspace(backend, [backend.tokenize(text) for text in texts], CAPTURE)
    rows = zip(work.texts, work.next_logprobs, strict=True)
    return work, [backend.resolve_target(text, target, None, row) for text, row in rows]


def receipts(
    work: Workspace, targets: list[Target], methods: dict[str, LoadedMethod], **params: Any
) -> dict[str, list[Receipt]]:
    """Every method's receipts, as a request makes them."""
    test = RemovalTest(work, next_tokens(work, targets), resolve_params("receipts", params))
    found = {name: one.method.attribute(work, targets, one.params) for name, one in methods.items()}
    answers = attach_receipts(test, NextTokens(work, targets), methods, found)
    return {name: [one.receipt for one in given if one.receipt is not None] for name, given in answers.items()}


def loaded(*names: str, **params: Any) -> dict[str, LoadedMethod]:
    return {name: load_method(name, params) for name in names}


def knowing_nothing(*seeds: int) -> dict[str, LoadedMethod]:
    return {f"random {seed}": LoadedMethod(RandomScores(seed), Needs(), {}) for seed in seeds}
