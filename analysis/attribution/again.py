"""The same methods asked again: of noisy embeddings, of random weights, from another baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from headscope.analysis.attribution.asked_again import Asker, Inputs
from headscope.analysis.attribution.orders import kendall
from headscope.analysis.attribution.results import position_scores
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.interfaces import LoadedMethod
from headscope.analysis.registry import METHODS
from headscope.analysis.registry.receipts import other_baseline, scores_only
from headscope.analysis.types import Attribution

Shaken = dict[int, Inputs]
"""The noisy copies of a request's prompts by how many there are of each, as methods share them."""
_NAN = float("nan")


def sensitivity(
    asker: Asker,
    name: str,
    method: LoadedMethod,
    answers: Sequence[Attribution],
    noise: float,
    n_draws: int,
    seed: int,
    shaken: Shaken,
) -> list[float]:
    """Largest ||a(x + noise) - a(x)|| / ||a(x)|| over draws of Gaussian embedding noise (Yeh et al. 2019).

    The noise's standard deviation is `noise` times that of the prompt's embeddings; all draws of all prompts are asked
    for together. `shaken` holds them for the next method. NaN without draws, or where the attribution failed.
    """
    if n_draws == 0:
        return [_NAN] * len(answers)
    if n_draws not in shaken:
        shaken[n_draws] = _noisy(asker, len(answers), noise, n_draws, seed)
    copies = shaken[n_draws]
    again = asker.anew(name, _scores_only(method), copies)
    changes = [_change(one, answers[i]) for one, i in zip(again, copies.owners, strict=True)]
    return [max(changes[i * n_draws : (i + 1) * n_draws], default=_NAN) for i in range(len(answers))]


def _noisy(asker: Asker, n_prompts: int, noise: float, n_draws: int, seed: int) -> Inputs:
    found: list[Tensor] = []
    for i in range(n_prompts):
        text, here = asker.prompt(i)
        drawn = torch.randn(n_draws, *here.shape, generator=generator_of(text, seed)).to(here.device)
        found += (here + (drawn * noise * here.float().std()).to(here.dtype)).unbind()
    return Inputs([i for i in range(n_prompts) for _ in range(n_draws)], found)


def randomisation(
    asker: Asker, name: str, method: LoadedMethod, answers: Sequence[Attribution], seed: int
) -> list[float]:
    """Spearman correlation of |scores| with those of the model with random weights (Adebayo et al. 2018): near 1 means
    that the method shows the input or the architecture, not what the model has learnt."""
    owners = range(len(answers))
    inputs = Inputs(owners, [asker.prompt(i)[1] for i in owners])  # of the model as it is
    with random_weights(asker.backend.model, seed):
        again = asker.anew(name, _scores_only(method), inputs)
    return [_spearman(one, other) for one, other in zip(answers, again, strict=True)]


def _scores_only(method: LoadedMethod) -> LoadedMethod:
    return replace(method, params=scores_only(METHODS.get(method.method.NAME), method.params))


def _change(one: Attribution, reference: Attribution) -> float:
    if one.error is not None or reference.error is not None:
        return _NAN
    both = np.isfinite(one.scores) & np.isfinite(reference.scores)
    size = float(np.linalg.norm(reference.scores[both]))
    return float(np.linalg.norm((one.scores - reference.scores)[both])) / size if size > 0 else _NAN


def _spearman(one: Attribution, other: Attribution) -> float:
    if one.error is not None or other.error is not None:
        return _NAN
    from scipy.stats import spearmanr  # here: importing it takes a second, and few requests ask for it

    both = np.isfinite(one.scores) & np.isfinite(other.scores)
    a, b = np.abs(one.scores[both]), np.abs(other.scores[both])
    return float(spearmanr(a, b).statistic) if len(a) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else _NAN


def second_baseline(
    asker: Asker, name: str, method: LoadedMethod, answers: Sequence[Attribution], which: str
) -> list[tuple[str, float]]:
    """The next choice of the method's baseline, in words, and Kendall's tau-b of the scores with those under it, for
    each answer. Empty and NaN for a method without one, or one that is not asked: which is `cheap`, `all` or `none`."""
    param = other_baseline(METHODS.get(name), method.params, which)
    if param is None:
        return [("", _NAN)] * len(answers)
    choice = param.choices[(param.choices.index(method.params[param.name]) + 1) % len(param.choices)]
    again = asker.again(name, replace(method, params={**method.params, param.name: choice}))
    return [_agreement(param.name, choice, one, other) for one, other in zip(answers, again, strict=True)]


def _agreement(name: str, choice: str, one: Attribution, other: Attribution) -> tuple[str, float]:
    a, b = position_scores(one), position_scores(other)
    words = f"{name} {other.outcome.facts.get('baseline used', choice)}"
    return (words, _NAN) if a is None or b is None else (words, kendall(a.astype(np.float64), b.astype(np.float64)))


@contextmanager
def random_weights(model: nn.Module, seed: int) -> Iterator[None]:
    """Inside the block every weight is drawn anew, normal with its tensor's own mean and spread; afterwards all are
    what they were, bit by bit."""
    generator = torch.Generator().manual_seed(seed)
    kept = [(parameter, parameter.detach().clone()) for parameter in model.parameters()]
    try:
        with torch.no_grad():
            for parameter, before in kept:
                spread = before.float().std() if before.numel() > 1 else torch.zeros(())
                drawn = torch.randn(before.shape, generator=generator).to(before.device)
                parameter.copy_(drawn * spread + before.float().mean())
        yield
    finally:
        with torch.no_grad():
            for parameter, before in kept:
                parameter.copy_(before)
