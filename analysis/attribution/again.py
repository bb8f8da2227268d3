"""The same methods asked again: of noisy embeddings, of random weights, from another baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from headscope.analysis.attribution.orders import kendall
from headscope.analysis.attribution.results import position_scores
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.interfaces import Capture, LoadedMethod
from headscope.analysis.registry import METHODS
from headscope.analysis.registry.receipts import other_baseline, scores_only
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace

Shaken = dict[tuple[int, Capture], Workspace]
"""The noisy copies of a batch by how many of each prompt there are and what their pass keeps, as methods share them."""
_NAN = float("nan")


def sensitivity(
    work: Workspace,
    targets: Sequence[Target],
    method: LoadedMethod,
    answers: Sequence[Attribution],
    noise: float,
    n_draws: int,
    seed: int,
    shared: Shaken,
) -> list[float]:
    """Largest ||a(x + noise) - a(x)|| / ||a(x)|| over draws of Gaussian embedding noise (Yeh et al. 2019).

    The noise's standard deviation is `noise` times that of the prompt's embeddings; all draws of all prompts are one
    batch of the method. `shared` holds the last batch, for the next method that can use it. NaN without draws, or where
    the attribution failed.
    """
    if n_draws == 0:
        return [_NAN] * len(answers)
    owners = [i for i in range(len(answers)) for _ in range(n_draws)]
    key = (n_draws, _kept(method))
    if key not in shared:
        shared.clear()  # one is large enough
        shared[key] = _copies(work, method, owners, _noisy(work, owners, noise, n_draws, seed))
    again = method.method.attribute(shared[key], [targets[i] for i in owners], _only_scores(method))
    changes = [_change(one, answers[i]) for one, i in zip(again, owners, strict=True)]
    return [max(changes[i * n_draws : (i + 1) * n_draws], default=_NAN) for i in range(len(answers))]


def _noisy(work: Workspace, owners: Sequence[int], noise: float, n_draws: int, seed: int) -> torch.Tensor:
    shaken = work.embeddings[owners].clone()
    for i, text in enumerate(work.texts):
        here = work.embeddings[i, : len(text)].float()
        drawn = torch.randn(n_draws, *here.shape, generator=generator_of(text, seed)).to(here.device)
        shaken[i * n_draws : (i + 1) * n_draws, : len(text)] += (drawn * noise * here.std()).to(shaken.dtype)
    return shaken


def randomisation(
    work: Workspace,
    targets: Sequence[Target],
    method: LoadedMethod,
    answers: Sequence[Attribution],
    seed: int,
) -> list[float]:
    """Spearman correlation of |scores| with those of the model with random weights (Adebayo et al. 2018): near 1 means
    that the method shows the input or the architecture, not what the model has learnt."""
    rows = _copies(work, method, range(len(answers)), work.embeddings)
    with random_weights(work.backend.model, seed):
        again = method.method.attribute(rows, targets, _only_scores(method))
    return [_spearman(one, other) for one, other in zip(answers, again, strict=True)]


def _only_scores(method: LoadedMethod) -> Params:
    return scores_only(METHODS.get(method.method.NAME), method.params)


def _kept(method: LoadedMethod) -> Capture:
    """What the pass over copies keeps for the method."""
    needs = method.needs
    return Capture(needs.attention, gradients=needs.gradients, attention_gradients=needs.attention_gradients)


def _copies(work: Workspace, method: LoadedMethod, owners: Sequence[int], embeddings: torch.Tensor) -> Workspace:
    """The prompts `owners` with these embeddings, `[len(owners), T, d]`."""
    texts, positions = [work.texts[i] for i in owners], [int(work.positions[i]) for i in owners]
    rows = Workspace(work.backend, texts, _kept(method), positions, embeddings)
    rows.partners = tuple(work.partners[i] for i in owners) if work.partners else ()
    return rows


def _change(one: Attribution, reference: Attribution) -> float:
    if one.error is not None or reference.error is not None:
        return _NAN
    size = float(np.linalg.norm(np.nan_to_num(reference.scores)))
    return float(np.linalg.norm(np.nan_to_num(one.scores - reference.scores))) / size if size > 0 else _NAN


def _spearman(one: Attribution, other: Attribution) -> float:
    if one.error is not None or other.error is not None:
        return _NAN
    from scipy.stats import spearmanr  # here: importing it takes a second, and few requests ask for it

    both = np.isfinite(one.scores) & np.isfinite(other.scores)
    a, b = np.abs(one.scores[both]), np.abs(other.scores[both])
    return float(spearmanr(a, b).statistic) if len(a) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else _NAN


def second_baseline(
    work: Workspace,
    targets: Sequence[Target],
    name: str,
    method: LoadedMethod,
    answers: Sequence[Attribution],
    which: str,
) -> list[tuple[str, float]]:
    """The next choice of the method's baseline, in words, and Kendall's tau-b of the scores with those under it, for
    each answer. Empty and NaN for a method without one, or one that is not asked: which is `cheap`, `all` or `none`."""
    param = other_baseline(METHODS.get(name), method.params, which)
    if param is None:
        return [("", _NAN)] * len(answers)
    choice = param.choices[(param.choices.index(method.params[param.name]) + 1) % len(param.choices)]
    again = method.method.attribute(work, targets, {**method.params, param.name: choice})
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
