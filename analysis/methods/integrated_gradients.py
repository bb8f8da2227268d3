"""Integrated gradients (Sundararajan, Taly, Yan 2017): gradients summed along a straight path from a baseline.

Two things make them usable on a real language model. The first token is held at its own embedding: it is the attention
sink, and moving it makes the integrand so wild that no number of steps converges. And the steps are placed where the
path is rough (`analysis.quadrature`), until two step counts agree and the scores add up; when they do not, it is said.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from analysis.attributions import failed_attribution, position_attribution
from analysis.embedding_path import EmbeddingPath
from analysis.interfaces import CausalBackend, Needs, Param
from analysis.params import resolve_params
from analysis.quadrature import AdaptiveIntegral, Float64, error_scale, fixed_rule
from analysis.types import Attribution, Params, Target
from analysis.workspace import Workspace

_NOTHING_LEFT = "the only token is held at its own embedding, so nothing is left to explain: set hold_first to false"


class IntegratedGradients:
    """`s_t = (e_t - b_t) . integral of d quantity / d e_t at b + a (e - b) over a in [0, 1]`; `[position]`, signed.

    The scores add up to value(prompt) - value(baseline); what is missing is `convergence_delta` (nats). The held first
    token is not explained: NaN. The result's params say how many steps were used, by how much two step counts disagree
    (nats, largest over tokens) and whether the result `converged`.
    """

    NAME: ClassVar[str] = "integrated_gradients"
    NEEDS: ClassVar[Needs] = Needs(gradients=True, many_passes=True)
    PARAMS: ClassVar[tuple[Param, ...]] = (
        Param(
            "baseline",
            "choice",
            "newline",
            "Where the path starts: the embedding of a line break, of the end of text, zero, or the mean embedding.",
            choices=("newline", "eos", "zero", "mean"),
        ),
        Param("hold_first", "bool", True, "Keep the first token (the attention sink) at its own embedding."),
        Param(
            "rule",
            "choice",
            "adaptive",
            "How steps are placed: where the path is rough, or a fixed number by a classical rule.",
            choices=("adaptive", "gausslegendre", "riemann_middle"),
        ),
        Param("n_steps", "int", 50, "Steps of a fixed rule.", minimum=2, maximum=1000),
        Param("max_steps", "int", 49, "Most steps of the adaptive rule.", minimum=9, maximum=2000),
        Param(
            "tolerance",
            "float",
            0.1,
            "Accepted error of the sum of scores, as a share of the change explained (or of the largest score).",
            minimum=1e-6,
            maximum=1,
        ),
        Param(
            "agreement",
            "float",
            0.3,
            "Accepted difference of any score from the one half the steps give, same share.",
            minimum=1e-6,
            maximum=1,
        ),
    )

    def not_applicable(self, backend: CausalBackend) -> str | None:
        """Every model with embeddings can be served; one without the baseline's token starts from the mean instead."""
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; prompts and steps share forward and backward passes."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, self.PARAMS, params)
        path = EmbeddingPath(work, targets, settings["baseline"], settings["hold_first"])
        answers = _adaptive(path, settings) if settings["rule"] == "adaptive" else _fixed(path, settings)
        seconds = (time.perf_counter() - started) / len(targets)
        return [self._result(path, i, answer, settings, seconds) for i, answer in enumerate(answers)]

    def _result(
        self, path: EmbeddingPath, index: int, answer: _Answer, settings: dict[str, Any], seconds: float
    ) -> Attribution:
        target, first, stop = path.targets[index], int(settings["hold_first"]), int(path.work.positions[index]) + 1
        unused = {"n_steps"} if settings["rule"] == "adaptive" else {"max_steps", "agreement"}
        used = {name: value for name, value in settings.items() if name not in unused}
        used |= {"baseline": path.baseline, "steps": answer.steps}
        if path.baseline != settings["baseline"]:
            used["baseline_missing"] = f"this model's vocabulary has no {settings['baseline']} token"
        if stop <= first:
            return failed_attribution(self.NAME, target, _NOTHING_LEFT, signed=True, seconds=seconds, params=used)
        scale = error_scale(answer.change, answer.scores)
        used |= {"value_change": answer.change, "converged": abs(answer.delta) <= settings["tolerance"] * scale}
        if answer.disagreement is not None:
            used["disagreement"] = answer.disagreement
            used["converged"] &= answer.disagreement <= settings["agreement"] * scale
        scores = np.full(len(path.work.texts[index]), np.nan, dtype=np.float32)
        scores[:stop] = answer.scores[:stop]
        return position_attribution(
            self.NAME,
            target,
            scores,
            slice(first, stop),
            signed=True,
            value=float(path.input_values[index]),
            seconds=seconds,
            params=used,
            convergence_delta=answer.delta,
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """scores: float64 `[T]` of the batch. disagreement: None for a fixed rule, which has only one step count."""

    scores: Float64
    change: float
    delta: float
    steps: int
    disagreement: float | None = None


def _fixed(path: EmbeddingPath, settings: dict[str, Any]) -> list[_Answer]:
    nodes, weights = fixed_rule(settings["rule"], settings["n_steps"])
    n_prompts = len(path.targets)
    steps = np.append(nodes, 0.0)  # the value at the baseline is needed for the delta
    rates, values = path.evaluate(
        np.repeat(np.arange(n_prompts), len(steps)).tolist(), np.tile(steps, n_prompts).tolist()
    )
    rates = rates.reshape(n_prompts, len(steps), -1)
    scores = torch.einsum("bst,s->bt", rates[:, :-1], torch.from_numpy(weights)).numpy()
    changes = (path.input_values - values.reshape(n_prompts, len(steps))[:, -1]).tolist()
    return [
        _Answer(row, change, float(row.sum()) - change, len(nodes)) for row, change in zip(scores, changes, strict=True)
    ]


def _adaptive(path: EmbeddingPath, settings: dict[str, Any]) -> list[_Answer]:
    """Refines every prompt's own integral; each round evaluates what all unfinished prompts want in shared passes."""
    integrals = [AdaptiveIntegral() for _ in path.targets]
    for i, integral in enumerate(integrals):
        integral.add(1.0, path.input_rates[i].numpy(), float(path.input_values[i]))
    unfinished, rounds = list(range(len(integrals))), 0
    while unfinished:
        points = [(i, node) for i in unfinished for node in integrals[i].wanted()]
        rates, values = path.evaluate([i for i, _ in points], [node for _, node in points])
        for (i, node), row, value in zip(points, rates.numpy(), values.tolist(), strict=True):
            integrals[i].add(node, row, value)
        rounds += 1
        unfinished = [i for i in unfinished if _refine(integrals[i], 1 + rounds // 7, settings)]
    return [
        _Answer(integral.estimate, integral.change, integral.delta, integral.steps, integral.disagreement)
        for integral in integrals
    ]


def _refine(integral: AdaptiveIntegral, n_panels: int, settings: dict[str, Any]) -> bool:
    """Whether more nodes are wanted: not when finished, out of steps, or hopeless (NaN)."""
    good = abs(integral.delta) <= settings["tolerance"] * integral.scale
    good = good and integral.disagreement <= settings["agreement"] * integral.scale
    return not good and integral.finite and integral.refine(n_panels, settings["max_steps"])
