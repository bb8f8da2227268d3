"""Semantic entropy: clusters of meaning, and their entropy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis import registry
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import BackendError
from headscope.analysis.models.sentence_vectors import embed
from headscope.analysis.probes import semantic_entropy
from headscope.analysis.probes.samples import Sampler
from headscope.analysis.probes.semantic_entropy import SemanticEntropy, clusters, entropy, first_sentence
from headscope.analysis.types.findings import ProbeResult
from tests.factories import make_result

SAME = [
    ("The capital of Peru is", "Lima.", "the city of Lima."),
    ("The capital of Peru is", "Lima.", "Lima, a large city on the coast."),
    ("Water freezes at", "zero degrees Celsius.", "0 °C."),
    ("The author of Hamlet was", "William Shakespeare.", "Shakespeare."),
    ("The largest planet is", "Jupiter.", "the gas giant Jupiter."),
    ("She opened the door because", "she heard a noise.", "there was a sound outside."),
    ("Plants need", "sunlight and water.", "water and light from the sun."),
    ("The opposite of hot is", "cold.", "being cold."),
    ("A week has", "seven days.", "7 days in it."),
    ("Bees make", "honey.", "honey, which people eat."),
    ("The war ended in", "1945.", "the year 1945."),
    ("My favourite drink is", "tea.", "a cup of tea."),
]
OTHER = [
    ("The capital of Peru is", "Lima.", "Quito."),
    ("The capital of Peru is", "Lima.", "a large city on the coast."),
    ("Water freezes at", "zero degrees Celsius.", "ten degrees Celsius."),
    ("The author of Hamlet was", "William Shakespeare.", "Charles Dickens."),
    ("The largest planet is", "Jupiter.", "Saturn."),
    ("She opened the door because", "she heard a noise.", "it was too warm."),
    ("Plants need", "sunlight and water.", "soil and time."),
    ("The opposite of hot is", "cold.", "warm."),
    ("A week has", "seven days.", "five days."),
    ("Bees make", "honey.", "wax."),
    ("The war ended in", "1945.", "1918."),
    ("My favourite drink is", "tea.", "coffee."),
]


def test_entropy_by_hand() -> None:
    assert entropy([5]) == 0
    assert entropy([1, 1, 1, 1]) == pytest.approx(math.log(4))
    assert entropy([2, 2, 1]) == pytest.approx(-(0.8 * math.log(0.4) + 0.2 * math.log(0.2)))


def test_an_answer_joins_the_first_cluster_whose_first_answer_it_is_near() -> None:
    angles = np.array([0.0, 0.3, 0.6, 0.1])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert clusters(vectors, math.cos(0.35)) == [0, 0, 1, 0]  # .6 is near .3, which leads none
    assert clusters(vectors, 1.1) == [0, 1, 2, 3]


def test_an_answer_is_the_first_sentence() -> None:
    assert first_sentence("\n Paris. It is large.\nNext") == "Paris."
    assert first_sentence("Mr. Smith came home\nand") == "Mr. Smith came home"
    assert first_sentence("  \n ") == ""


def test_nearness_is_mostly_sameness_of_meaning() -> None:
    """As docs/behaviour.md says: at the usual threshold 10 of 12 of both kinds are told rightly."""
    same = next(item.default for item in registry.PROBES.find("semantic_entropy").params if item.name == "same")
    near = []
    for rows in (SAME, OTHER):
        vectors = embed([f"{prompt} {answer}" for prompt, *answers in rows for answer in answers])
        assert vectors is not None
        near.append(sum(float(a @ b) >= same for a, b in zip(vectors[::2], vectors[1::2], strict=True)))
    assert near == [10, 2]


def test_the_probe_clusters_what_the_model_samples(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_result(), make_result(seed=1)]
    tokens = [tiny_gpt2.tokenize(text) for text in ("the cat sat", "a dog ran on")]
    results = [replace(one, trace=replace(one.trace, tokens=text)) for one, text in zip(made, tokens, strict=True)
               if one.trace is not None]  # fmt: skip
    params = {"samples": 4, "max_new_tokens": 4, "temperature": 1.0, "top_p": 0.9, "seed": 0, "same": 0.9}
    found = SemanticEntropy().score(tiny_gpt2, results, params)
    answers = [[first_sentence(text) for text in group] for group in Sampler(tiny_gpt2).texts(results, params)]
    for (row,), group, text in zip(found, answers, tokens, strict=True):
        assert isinstance(row, ProbeResult)
        vectors = embed([f"{text.text} {answer}" for answer in group])
        assert vectors is not None
        counts = np.bincount(clusters(vectors, 0.9))
        assert row.score == pytest.approx(-(counts / 4 * np.log(counts / 4)).sum(), abs=1e-12)
        assert sum(cluster["count"] for cluster in row.evidence["clusters"]) == row.evidence["samples"] == 4
        assert row.evidence["clusters"][0]["answer"] in group
    monkeypatch.setattr(semantic_entropy, "embed", lambda texts: None)
    with pytest.raises(BackendError, match="pip install"):
        SemanticEntropy().score(tiny_gpt2, results, params)
