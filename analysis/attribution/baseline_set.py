"""Integrated gradients from several baselines at once: their mean, and how far the choice of a baseline moves it.

Every path is refined on its own until its integral is good enough, so that what is left between baselines is theirs and
not that of points on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.embedding_path import baseline_embedding
from headscope.analysis.attribution.quadrature import AdaptiveIntegral, Float64, error_scale
from headscope.analysis.attribution.sampling_rows import PromptRows, generator_of
from headscope.analysis.interfaces import WhiteBoxBackend

NAMED = ("newline", "eos", "zero", "mean")
RANDOM = 4
"""Baselines of random tokens in the standard set."""
ACCEPTED = 0.1
"""Largest error of a good integral, as a share of the largest score."""


@dataclass(frozen=True, slots=True)
class OverBaselines:
    """names: of the baselines. scores, spread (standard deviation over baselines) and errors (of the integrals, the
    mean over baselines): float64 `[P]`. baseline: mean value there. delta: what the scores miss of their sum. points:
    gradients computed."""

    names: tuple[str, ...]
    scores: Float64
    spread: Float64
    errors: Float64
    baseline: float
    delta: float
    points: int


def standard_set(backend: WhiteBoxBackend, rows: PromptRows, seed: int) -> tuple[tuple[str, ...], Tensor]:
    """Names and embeddings `[N, P, d]` of the baselines: one embedding at every position (line break, end of text,
    zero, mean of the vocabulary; a token that the model lacks is left out), and prompts of random tokens. The first
    token stays."""
    named = dict(baseline_embedding(backend, name) for name in NAMED)
    ids = torch.randint(backend.info.vocab_size, (RANDOM, rows.end), generator=generator_of(rows.text, seed))
    vocabulary: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    drawn: Tensor = vocabulary(ids.to(rows.here.device)).detach()
    starts = torch.cat([*(vector.expand_as(rows.here)[None] for vector in named.values()), drawn])
    starts[:, 0] = rows.here[0]
    return (*named, *(f"random tokens {i + 1}" for i in range(RANDOM))), starts


def over_baselines(backend: WhiteBoxBackend, rows: PromptRows, points: int, seed: int) -> OverBaselines:
    """The prompt explained from every baseline of the standard set, each with at most `points` points on its path."""
    names, starts = standard_set(backend, rows, seed)
    integrals = [AdaptiveIntegral() for _ in names]
    unfinished = list(range(len(names)))
    while unfinished:
        _evaluate(rows, starts, integrals, [(i, node) for i in unfinished for node in integrals[i].wanted()])
        unfinished = [i for i in unfinished if not _good(integrals[i]) and integrals[i].refine(2, points)]
    scores = np.stack([integral.estimate for integral in integrals])
    with torch.no_grad():
        baseline = float(rows.values(starts).double().mean())
    return OverBaselines(
        names=names,
        scores=scores.mean(0),
        spread=scores.std(0, ddof=1),
        errors=np.mean([integral.errors for integral in integrals], axis=0),
        baseline=baseline,
        delta=float(np.mean([integral.delta for integral in integrals])),
        points=sum(integral.steps for integral in integrals),
    )


def _good(integral: AdaptiveIntegral) -> bool:
    """Whether nothing is to be gained: it is accurate, or its numbers are none."""
    allowed = ACCEPTED * error_scale(integral.estimate)
    return not integral.finite or (abs(integral.delta) <= allowed and float(integral.errors.max()) <= allowed)


def _evaluate(
    rows: PromptRows, starts: Tensor, integrals: Sequence[AdaptiveIntegral], nodes: Sequence[tuple[int, float]]
) -> None:
    for part in rows.passes(len(nodes)):
        mine = nodes[part]
        start = starts[[i for i, _ in mine]]
        change = rows.here - start
        at = torch.tensor([node for _, node in mine]).to(change)[:, None, None]
        gradients, values = rows.gradients_and_values(start + at * change)
        rates = (gradients * change).sum(-1).cpu().double().numpy()
        for (i, node), rate, value in zip(mine, rates, values.cpu().tolist(), strict=True):
            integrals[i].add(node, rate, value)
