"""Integrated gradients (Sundararajan, Taly, Yan 2017): gradients summed along a straight path from a baseline.

Two things make them usable on a real language model. The first token is held at its own embedding: it is the attention
sink, and moving it makes the integrand so wild that no number of steps converges. And the steps are placed where the
path is rough (`attribution.quadrature`), until two step counts agree and the scores add up; else the result says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headscope.analysis.attribution.embedding_path import EmbeddingPath
from headscope.analysis.attribution.held_first import joined, no_score
from headscope.analysis.attribution.quadrature import AdaptiveIntegral, Float64, error_scale, fixed_errors, fixed_rule
from headscope.analysis.attribution.results import failed_attribution, position_attribution
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.types.outcome import Outcome, measured
from headscope.analysis.workspace import Workspace

_HELD = "is held at its own embedding (hold_first)"
_NOTHING_LEFT = (
    "the only token is held at its own embedding, so nothing is left to explain: put the model's start token before it "
    "(--start-token), or set hold_first to false"
)
_ALL_EQUAL = (
    "every token that could be explained is the baseline itself ({baseline}) and would score 0 by construction: take "
    "another baseline"
)


class IntegratedGradients(Method):
    """`s_t = (e_t - b_t) . integral of d quantity / d e_t at b + a (e - b) over a in [0, 1]`; `[position]`, signed.

    The scores add up to value(prompt) - value(baseline); what is missing is `convergence_delta` (nats). Tokens that do
    not move along the path, the held first one and those equal to the baseline, are not explained: NaN. `score_errors`
    say by how much two quadratures disagree on each token. The outcome holds the steps used, the largest of those
    (`error`, nats) and whether the result `converged`.
    """

    NAME: ClassVar[str] = "integrated_gradients"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; prompts and steps share forward and backward passes."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        path = EmbeddingPath(work, targets, settings["baseline"], settings["hold_first"])
        answers = _adaptive(path, settings) if settings["rule"] == "adaptive" else _fixed(path, settings)
        seconds = (time.perf_counter() - started) / len(targets)
        return [self._result(path, i, answer, settings, seconds) for i, answer in enumerate(answers)]

    def _result(
        self, path: EmbeddingPath, index: int, answer: _Answer, settings: dict[str, Any], seconds: float
    ) -> Attribution:
        target, first, stop = path.targets[index], int(settings["hold_first"]), int(path.work.positions[index]) + 1
        moved = path.moved[index].numpy()[:stop]
        if stop <= first or not moved.any():
            reason = _NOTHING_LEFT if stop <= first else _ALL_EQUAL.format(baseline=path.baseline)
            return failed_attribution(self.NAME, target, reason, signed=True, seconds=seconds, params=settings)
        text = path.work.texts[index]
        not_explained = joined(
            no_score(text, _HELD) if first else "",
            _equal_tokens(path.baseline, np.flatnonzero(~moved[first:]) + first),
        )
        scores, errors = (np.full(len(text), np.nan, dtype=np.float32) for _ in range(2))
        measured = np.zeros(len(scores), dtype=bool)
        measured[:stop] = moved
        scores[:stop], errors[:stop] = answer.scores[:stop], answer.errors[:stop]
        return position_attribution(
            self.NAME,
            target,
            scores,
            measured,
            signed=True,
            value=answer.value,
            seconds=seconds,
            params=settings,
            convergence_delta=answer.delta,
            score_errors=errors,
            outcome=_outcome(answer, settings, path.baseline, not_explained),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """value: of the explained quantity, nats. scores, errors: float64 `[T]` of the batch, 0 for tokens that do not
    move."""

    value: float
    scores: Float64
    errors: Float64
    change: float
    delta: float
    steps: int


def _outcome(answer: _Answer, settings: dict[str, Any], baseline: str, not_explained: str) -> Outcome:
    missing = f"{baseline}: this model's vocabulary has no {settings['baseline']} token"
    return Outcome(
        converged=_good(answer, settings),
        steps=answer.steps,
        value_change=measured(answer.change),
        error=measured(float(answer.errors.max())),
        error_label="a coarser quadrature gives scores that differ by up to",
        remedy=f"more steps ({'max_steps' if settings['rule'] == 'adaptive' else 'n_steps'})",
        not_explained=not_explained,
        facts={} if baseline == settings["baseline"] else {"baseline used": missing},
    )


def _good(answer: _Answer, settings: dict[str, Any]) -> bool:
    scale = error_scale(answer.scores)
    within: bool = abs(answer.delta) <= settings["tolerance"] * scale
    agree: bool = float(answer.errors.max()) <= settings["agreement"] * scale
    return within and agree


def _equal_tokens(baseline: str, positions: np.ndarray) -> str:
    if not len(positions):
        return ""
    which = ", ".join(str(position) for position in positions.tolist())
    return (
        f"the token at position {which} is the baseline itself ({baseline}) and would score 0 by construction: take "
        "another baseline to explain it"
    )


def _fixed(path: EmbeddingPath, settings: dict[str, Any]) -> list[_Answer]:
    nodes, weights = fixed_rule(settings["rule"], settings["n_steps"])
    n_prompts = len(path.targets)
    steps = np.append(nodes, [0.0, 1.0])  # the delta needs the values at both ends
    rates, values = path.evaluate(
        np.repeat(np.arange(n_prompts), len(steps)).tolist(), np.tile(steps, n_prompts).tolist()
    )
    by_step = rates.reshape(n_prompts, len(steps), -1)[:, :-2].numpy()
    scores = np.einsum("bst,s->bt", by_step, weights)
    errors = fixed_errors(nodes, weights, by_step)
    ends = values.reshape(n_prompts, len(steps))[:, -2:].tolist()
    return [
        _Answer(value, row, error, value - start, float(row.sum()) - (value - start), len(nodes))
        for row, error, (start, value) in zip(scores, errors, ends, strict=True)
    ]


def _adaptive(path: EmbeddingPath, settings: dict[str, Any]) -> list[_Answer]:
    """Refines every prompt's own integral; each round evaluates what all unfinished prompts want in shared passes."""
    integrals = [AdaptiveIntegral() for _ in path.targets]
    input_rates, input_values = path.at_input()
    for integral, row, value in zip(integrals, input_rates.numpy(), input_values.tolist(), strict=True):
        integral.add(1.0, row, value)
    unfinished, rounds = list(range(len(integrals))), 0
    while unfinished:
        points = [(i, node) for i in unfinished for node in integrals[i].wanted()]
        rates, values = path.evaluate([i for i, _ in points], [node for _, node in points])
        for (i, node), row, value in zip(points, rates.numpy(), values.tolist(), strict=True):
            integrals[i].add(node, row, value)
        rounds += 1
        unfinished = [i for i in unfinished if _refine(integrals[i], 1 + rounds // 7, settings)]
    return [_answer(integral, value) for integral, value in zip(integrals, input_values.tolist(), strict=True)]


def _answer(integral: AdaptiveIntegral, value: float = np.nan) -> _Answer:
    return _Answer(value, integral.estimate, integral.errors, integral.change, integral.delta, integral.steps)


def _refine(integral: AdaptiveIntegral, n_panels: int, settings: dict[str, Any]) -> bool:
    """Whether more nodes are wanted: not when finished, out of steps, or hopeless (NaN)."""
    good = _good(_answer(integral), settings)
    return not good and integral.finite and integral.refine(n_panels, settings["max_steps"])
