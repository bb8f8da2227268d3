"""Probes that look at sampled continuations share them within a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Probe
from headscope.analysis.params import resolve_params
from headscope.analysis.probes.self_consistency import SelfConsistency
from headscope.analysis.probes.semantic_entropy import SemanticEntropy
from headscope.analysis.running.probing import probed
from headscope.analysis.types import Continuation, GenerationParams, RunResult, TokenizedText
from tests.factories import make_result

SETTINGS = {"samples": 4, "max_new_tokens": 4}


@pytest.fixture
def results(tiny_gpt2: HFCausalBackend) -> list[RunResult]:
    made = [make_result(), make_result(seed=1)]
    tokens = [tiny_gpt2.tokenize(text) for text in ("the cat sat", "a dog ran on")]
    return [replace(one, trace=replace(one.trace, tokens=text)) for one, text in zip(made, tokens, strict=True)
            if one.trace is not None]  # fmt: skip


@pytest.fixture
def drawn(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Texts and seed of every call that writes on."""
    calls: list[tuple[int, int]] = []
    generate = tiny_gpt2.generate

    def counted(texts: list[TokenizedText], params: GenerationParams) -> list[Continuation]:
        calls.append((len(texts), params.seed))
        return generate(texts, params)

    monkeypatch.setattr(tiny_gpt2, "generate", counted)
    return calls


class Broken(SelfConsistency):
    NAME = "broken"

    def judged(self, *_: object) -> list[tuple[object, ...]]:  # type: ignore[override]
        raise ValueError("on purpose")


def ask(backend: HFCausalBackend, results: list[RunResult], **more: dict[str, object]) -> list[RunResult]:
    probes: dict[str, tuple[Probe, dict[str, object]]] = {
        "self_consistency": (SelfConsistency(), resolve_params("self_consistency", SETTINGS)),
        "semantic_entropy": (SemanticEntropy(), resolve_params("semantic_entropy", SETTINGS)),
    }
    for name, changes in more.items():
        probe, params = probes[name]
        probes[name] = (probe, {**params, **changes})
    return probed(backend, probes, results)


def test_two_probes_draw_the_same_continuations_once(
    tiny_gpt2: HFCausalBackend, results: list[RunResult], drawn: list[tuple[int, int]]
) -> None:
    together = ask(tiny_gpt2, results)
    assert drawn == [(2, seed) for seed in range(4)]
    alone = [
        probe.score(tiny_gpt2, results, resolve_params(probe.NAME, SETTINGS))
        for probe in (SelfConsistency(), SemanticEntropy())
    ]
    assert len(drawn) == 3 * 4
    for result, *each in zip(together, *alone, strict=True):
        assert result.findings == (*each[0], *each[1])


def test_what_is_asked_otherwise_is_drawn_for_itself(
    tiny_gpt2: HFCausalBackend, results: list[RunResult], drawn: list[tuple[int, int]]
) -> None:
    ask(tiny_gpt2, results, semantic_entropy={"samples": 6, "seed": 0})
    assert drawn == [(2, seed) for seed in range(6)]  # two more of the same
    drawn.clear()
    ask(tiny_gpt2, results, semantic_entropy={"max_new_tokens": 5})
    assert drawn == [(2, seed) for seed in range(4)] * 2
    drawn.clear()
    probed(tiny_gpt2, {"broken": (Broken(), resolve_params("self_consistency", SETTINGS))}, results)
    assert drawn == [(2, seed) for seed in range(4)]  # tried prompt by prompt, with what was drawn
