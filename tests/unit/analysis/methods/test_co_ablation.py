"""Conditional co-ablation against whole passes put together by hand, and on a model with a planted backup."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.backends import suffix
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.co_ablation import MOST_BACKUPS, NOTICEABLE, CoAblation
from headscope.analysis.methods.head_ablation import HeadAblation
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace
from tests.hooked_heads import Change, value_with
from tests.tiny_models import build_tiny_llama

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXTS = ("The quick fox found a small door", "One two three", "She thinks that he thinks that the train is late")
Head = tuple[int, int]
HEADS: list[Head] = list(product(range(3), range(4)))
PRIMARIES, BACKUPS = "primaries (layer.head)", "backups (layer.head, growth)"


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


class ByHand:
    """v(X) of one prompt, each set of heads a pass of its own; means are those of the prompt as it is."""

    def __init__(self, backend: HFCausalBackend, text: str, target: Target, kind: str) -> None:
        self.backend, self.text, self.target = backend, text, target
        with entering(backend.structure.head_projections) as seen:
            backend.forward(backend.batch([backend.tokenize(text)]), Capture())
        self.put: dict[Head, Change] = {}
        for layer, head in HEADS:
            output = seen[layer][0][0].view(-1, 4, seen[layer][0].shape[-1] // 4)[:, head]
            value = output.mean(0) if kind == "mean" else torch.zeros_like(output[0])
            self.put[layer, head] = value.expand_as

    def value(self, off: Iterable[Head]) -> float:
        return value_with(self.backend, self.text, self.target, {head: self.put[head] for head in off})

    def co_ablated(self, n: int) -> tuple[Any, Any, list[Head], list[Head]]:
        """Effects alone and with backups counted, primaries, backups: the docstring of the method, word by word."""
        alone = {h: self.value(()) - self.value({h}) for h in HEADS}
        primaries = sorted((h for h in HEADS if alone[h] > 0), key=lambda h: -alone[h])[:n]
        s = set(primaries)
        beside = {h: self.value(s - {h}) - self.value(s | {h}) for h in HEADS}
        least = NOTICEABLE * max(map(abs, (*alone.values(), *beside.values())))
        grown = [h for h in HEADS if beside[h] - alone[h] >= least and beside[h] > 0]
        backups = sorted(grown, key=lambda h: alone[h] - beside[h])[:MOST_BACKUPS]
        b = set(backups)
        counted = beside | {h: self.value(b - {h}) - self.value(b | {h}) for h in s}
        as_grid = [np.reshape([found[h] for h in HEADS], (3, 4)) for found in (alone, counted)]
        return as_grid[0], as_grid[1], primaries, backups


@pytest.mark.parametrize("kind", ["zero", "mean"])
def test_equals_whole_passes(backend: HFCausalBackend, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffix, "TOKENS_PER_PASS", 60)
    work = Workspace(backend, [backend.tokenize(text) for text in TEXTS], Capture())
    targets = [Target(int(row.argmax()), "t", 1, "predicted", 0.0, 1) for row in work.next_logits]
    n_backups = 0
    for text, target, found in zip(
        TEXTS, targets, CoAblation().attribute(work, targets, {"kind": kind, "seeds": 3}), strict=True
    ):
        hand = ByHand(backend, text, target, kind)
        alone, counted, primaries, backups = hand.co_ablated(3)
        np.testing.assert_allclose(found.scores, [counted, alone], atol=3e-5)
        facts = found.outcome.facts
        assert facts[PRIMARIES] == ", ".join(f"{layer}.{head}" for layer, head in primaries)
        named = [part.split()[0] for part in str(facts[BACKUPS]).split(", ")]
        assert named == ([f"{layer}.{head}" for layer, head in backups] or ["none"])
        value = hand.value(())
        assert facts["lost without the primaries"] == pytest.approx(value - hand.value(primaries), abs=3e-5)
        assert facts["lost without primaries and backups"] == pytest.approx(
            value - hand.value({*primaries, *backups}), abs=3e-5
        )
        n_backups += len(backups)
    assert n_backups > 0


@pytest.fixture
def with_backup(tmp_path: Path) -> HFCausalBackend:
    """Head 0.0 writes what the answer is read from; 1.0 writes the same, but reads a share of the stream (through the
    norm) that is next to nothing while 0.0 writes. Nothing else writes."""
    found = HFCausalBackend.load(str(build_tiny_llama(tmp_path)))
    parts: Any = found.model
    with torch.no_grad():
        for name, weight in parts.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight", "v_proj.weight", "lm_head.weight")):
                weight.zero_()
            elif weight.dim() == 1:
                weight.fill_(1)
        parts.model.embed_tokens.weight[:, 0] = 1
        parts.model.embed_tokens.weight[:, 30] = 0
        for layer in parts.model.layers[:2]:
            layer.self_attn.v_proj.weight[0, 0] = 1
            layer.self_attn.o_proj.weight[30, 0] = 50
        parts.lm_head.weight[7, 30] = 1
    return found


def test_a_backup_that_single_ablation_misses_is_found(with_backup: HFCausalBackend) -> None:
    work = Workspace(with_backup, [with_backup.tokenize(TEXTS[0])], Capture())
    target = [Target(7, "t", 1, "given", 0.0, 1)]
    (single,) = HeadAblation().attribute(work, target, {})
    (found,) = CoAblation().attribute(work, target, {"seeds": 1})
    assert np.abs(single.scores).max() < 0.3  # of 4.9 nats that hang on the two
    np.testing.assert_allclose(found.scores[1], single.scores, atol=1e-6)
    with_backups = found.scores[0].ravel()
    assert set(np.flatnonzero(with_backups > 4)) == {0, 4}
    assert np.abs(np.delete(with_backups, [0, 4])).max() < 1e-4
    assert found.outcome.facts[PRIMARIES] == "0.0"
    assert str(found.outcome.facts[BACKUPS]).split()[0] == "1.0"
    assert float(found.outcome.facts["lost without primaries and backups"]) > 4
    assert float(found.outcome.facts["lost without the primaries"]) < 0.3


def test_without_a_head_that_helps_there_is_no_primary(with_backup: HFCausalBackend) -> None:
    with torch.no_grad():
        with_backup.model.lm_head.weight.zero_()  # type: ignore[union-attr, operator]
    work = Workspace(with_backup, [with_backup.tokenize(TEXTS[0])], Capture())
    (found,) = CoAblation().attribute(work, [Target(7, "t", 1, "given", 0.0, 1)], {})
    assert (found.scores == 0).all()
    assert (found.outcome.facts[PRIMARIES], found.outcome.facts[BACKUPS]) == ("none: no head helps", "none")
