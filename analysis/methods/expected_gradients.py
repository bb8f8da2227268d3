"""Expected gradients (Erion et al. 2021): integrated gradients averaged over many baselines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.baseline_set import ACCEPTED, over_baselines
from headscope.analysis.attribution.held_first import no_score
from headscope.analysis.attribution.quadrature import error_scale
from headscope.analysis.attribution.results import failed_attribution, position_attribution
from headscope.analysis.attribution.sampling_rows import PromptRows, generator_of
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.types.outcome import Outcome, measured
from headscope.analysis.workspace import Workspace, quantities

_NOTHING_LEFT = "the only token is held at its own embedding, so nothing is left to explain: use a longer prompt"
_ERROR = {
    "random": "other draws move single scores by about",
    "standard": "the choice of a baseline moves single scores by about",
}
_HELD = "is held at its own embedding"


class ExpectedGradients(Method):
    """`s_t = E over baselines b and a ~ U(0, 1) of (e_t - b_t) . d value / d e_t at b + a (e - b)`; scores
    `[position]`, signed.

    With baselines `random`, a baseline puts a random token of the vocabulary at every position but the first, which
    stays (the attention sink, see integrated gradients; its score is NaN). One draw of a per baseline, the draws spread
    evenly over (0, 1). The scores add up to value(prompt) - mean value(baseline) as the samples grow:
    `convergence_delta` is what is missing, nats, measured against the mean over the baselines drawn. The outcome holds
    that difference (`value_change`), as `error` the largest over tokens of the mean's standard error (nats; spreading a
    only makes it smaller; None for one sample; `score_errors` have each token's), and `converged`: that neither is more
    than a tenth of the largest score.

    With baselines `standard` they are the few that people choose (`attribution.baseline_set`), each with its own path
    integral. Then `score_errors` are the standard deviation over them: by how much the choice of a baseline moves a
    token's score, which no number of points makes smaller. `converged` is about the integrals alone.
    """

    NAME: ClassVar[str] = "expected_gradients"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; for every sample one pass with its gradient and one without, at its baseline."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        rows = [PromptRows(work, target, i) for i, target in enumerate(targets)]
        estimate_of = _sample if settings["baselines"] == "random" else _standard
        found = [estimate_of(work.backend, one, settings) if one.end > 1 else None for one in rows]
        values = quantities(work.next_logits, targets)
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            failed_attribution(self.NAME, target, _NOTHING_LEFT, signed=True, seconds=seconds, params=settings)
            if estimate is None
            else self._result(target, one, estimate, float(values[i]), seconds, settings)
            for i, (target, one, estimate) in enumerate(zip(targets, rows, found, strict=True))
        ]

    def _result(
        self, target: Target, rows: PromptRows, found: _Estimate, value: float, seconds: float, settings: Params
    ) -> Attribution:
        scores = np.full(len(rows.text), np.nan, dtype=np.float32)
        scores[1 : rows.end] = found.scores[1:].float().numpy()
        change = value - found.baseline
        delta = float(found.scores.sum()) - change
        accepted = ACCEPTED * error_scale(found.scores.numpy())
        random = settings["baselines"] == "random"
        errors = np.full(len(rows.text), np.nan, dtype=np.float32)
        errors[1 : rows.end] = found.errors[1:].float().numpy()
        worst = float(found.errors.max())
        return position_attribution(
            self.NAME,
            target,
            scores,
            slice(1, rows.end),
            signed=True,
            value=value,
            seconds=seconds,
            params=settings,
            convergence_delta=delta,
            score_errors=errors,
            outcome=Outcome(
                converged=abs(delta) <= accepted and found.inaccuracy <= accepted,
                steps=found.points,
                value_change=measured(change),
                error=measured(worst),
                error_label=_ERROR[settings["baselines"]],
                remedy="more samples (samples)" if random else "more points (points)",
                facts={"baselines averaged": found.names} if found.names else {},
                not_explained=no_score(rows.text, _HELD),
            ),
        )


@dataclass(frozen=True, slots=True)
class _Estimate:
    """scores, and their standard errors (of a set the spread): float64 `[P]`, 0 for the held first token. baseline:
    mean value at the baselines. inaccuracy: the largest error that more samples or points make smaller. points: of a
    set, how many were evaluated; names: of its baselines."""

    scores: Tensor
    errors: Tensor
    baseline: float
    inaccuracy: float
    points: int | None = None
    names: str = ""


def _sample(backend: WhiteBoxBackend, rows: PromptRows, settings: Params) -> _Estimate:
    count, generator = settings["samples"], generator_of(rows.text, settings["seed"])
    ids = torch.randint(backend.info.vocab_size, (count, rows.end), generator=generator)
    share = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    vocabulary: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    baseline = 0.0
    total, squares = (torch.zeros(rows.end, dtype=torch.float64) for _ in range(2))
    for part in rows.passes(count):
        start: Tensor = vocabulary(ids[part].to(rows.here.device)).detach()
        start[:, 0] = rows.here[0]
        change = rows.here - start
        points = start + share[part, None, None].to(change) * change
        terms = (rows.gradients(points) * change).cpu().double().sum(-1)
        total += terms.sum(0)
        squares += terms.square().sum(0)
        baseline += float(rows.values(start).cpu().double().sum())
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0) / (count - 1) if count > 1 else mean * float("nan")
    return _Estimate(mean, variance.sqrt(), baseline / count, float(variance.sqrt().max()))


def _standard(backend: WhiteBoxBackend, rows: PromptRows, settings: Params) -> _Estimate:
    found = over_baselines(backend, rows, settings["points"], settings["seed"])
    scores, spread = torch.from_numpy(found.scores), torch.from_numpy(found.spread)
    inaccuracy = float(found.errors.max())
    return _Estimate(scores, spread, found.baseline, inaccuracy, found.points, ", ".join(found.names))
