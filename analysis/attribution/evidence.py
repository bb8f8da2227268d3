"""Receipts: what speaks for the attributions of a request, measured on the same prompts and kept with them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from headscope.analysis.attribution.removal_test import FEWEST, FRACTIONS, LEVEL, Curves, RemovalTest, p_value
from headscope.analysis.attribution.results import position_scores
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.interfaces import Capture, LoadedMethod
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Float32, Params, Target
from headscope.analysis.types.receipts import Receipt, Verdict
from headscope.analysis.workspace import Workspace

NAME = "receipts"
Loaded = Mapping[str, LoadedMethod]
_NAN = float("nan")
_HEADS = "it scores heads, components or layers, and the removal test ranks tokens"
_FEW = f"the prompt has fewer than {FEWEST} tokens that could be removed: no order can stand out"


def attach_receipts(
    work: Workspace,
    targets: Sequence[Target],
    methods: Loaded,
    found: Mapping[str, list[Attribution]],
    params: Params,
) -> dict[str, list[Attribution]]:
    """The attributions of each method with their receipts; failed ones stay without.

    What goes wrong while measuring is a receipt that says so: evidence never costs the attribution. Cost: `2 x
    len(FRACTIONS) x (random_orders + methods)` masked passes per prompt, and each method once per draw of noise.
    """
    settings = resolve_params(NAME, params)
    test = RemovalTest(work, targets, settings["masking"], settings["random_orders"], settings["seed"])
    started = time.perf_counter()
    removal = _removal(test, found)
    share = (time.perf_counter() - started) / max(1, sum(map(len, found.values())))
    return {
        name: _with_receipts(work, targets, methods[name], answers, removal[name], settings, share)
        for name, answers in found.items()
    }


@dataclass(frozen=True, slots=True)
class _Removal:
    """One attribution's curves beside those of the random orders; None where there is nothing to rank."""

    curves: Curves | None
    random: Sequence[Curves]
    n_units: int
    reason: str | None


def _removal(test: RemovalTest, found: Mapping[str, list[Attribution]]) -> dict[str, list[_Removal]]:
    """Every method's ranking and the prompts' random ones, measured together."""
    random = [ranking for prompt in test.random for ranking in prompt]
    ranked = {
        (name, i): test.ranking(i, scores)
        for name, answers in found.items()
        for i, one in enumerate(answers)
        if (scores := position_scores(one)) is not None and test.random[i]
    }
    curves = test.curves([*random, *ranked.values()])
    by_prompt: list[list[Curves]] = [[] for _ in test.units]
    for ranking, curve in zip(random, curves, strict=False):
        by_prompt[ranking.prompt].append(curve)
    mine = dict(zip(ranked, curves[len(random) :], strict=True))
    return {
        name: [
            _Removal(mine.get((name, i)), by_prompt[i], len(test.units[i]), _why_not(one, bool(test.random[i])))
            for i, one in enumerate(answers)
        ]
        for name, answers in found.items()
    }


def _why_not(one: Attribution, enough: bool) -> str | None:
    if position_scores(one) is None:
        return _HEADS
    return None if enough else _FEW


def _with_receipts(
    work: Workspace,
    targets: Sequence[Target],
    method: LoadedMethod,
    answers: list[Attribution],
    removal: Sequence[_Removal],
    settings: Params,
    share: float,
) -> list[Attribution]:
    started = time.perf_counter()
    n_draws = min(1, settings["noise_draws"]) if method.needs.many_passes else settings["noise_draws"]
    problem = None
    changes = correlations = [_NAN] * len(answers)
    try:
        changes = sensitivity(work, targets, method, answers, settings["noise"], n_draws, settings["seed"])
        if settings["weight_randomisation"]:
            correlations = randomisation(work, targets, method, answers, settings["seed"])
    except Exception as error:  # a method that cannot bear noise or random weights keeps its attribution
        problem = f"measuring again failed: {type(error).__name__}: {error}"
    seconds = share + (time.perf_counter() - started) / max(1, len(answers))
    return [
        one
        if one.error is not None
        else replace(
            one, receipt=_receipt(one, removed, settings, n_draws, change, correlation, problem, seconds)
        )
        for one, removed, change, correlation in zip(answers, removal, changes, correlations, strict=True)
    ]  # fmt: skip


def _receipt(
    one: Attribution,
    removed: _Removal,
    settings: Params,
    n_draws: int,
    change: float,
    correlation: float,
    problem: str | None,
    seconds: float,
) -> Receipt:
    curves, random = removed.curves, removed.random
    gains = [curve.gain for curve in random]
    p = _NAN if curves is None else p_value(curves.gain, gains)
    both = [*gains, *(-gain for gain in gains)]
    verdict = Verdict.UNMEASURED if curves is None else Verdict.BETTER if p <= LEVEL else Verdict.NO_BETTER
    return Receipt(
        verdict=verdict,
        reason="; ".join(filter(None, (removed.reason, problem))) or None,
        masking=settings["masking"],
        n_units=removed.n_units,
        n_random=len(random) if curves is not None else 0,
        fractions=np.array(FRACTIONS, dtype=np.float32),
        deletion=_curve([] if curves is None else [curves.deletion]),
        insertion=_curve([] if curves is None else [curves.insertion]),
        random_deletion=_curve([] if curves is None else [curve.deletion for curve in random]),
        random_insertion=_curve([] if curves is None else [curve.insertion for curve in random]),
        comprehensiveness=_NAN if curves is None else float(curves.deletion.mean()),
        sufficiency=_NAN if curves is None else float(curves.insertion.mean()),
        gain=_NAN if curves is None else curves.gain,
        random_gain=_NAN if curves is None else float(np.mean(gains)),
        random_low=_NAN if curves is None else float(np.percentile(both, 2.5)),
        random_high=_NAN if curves is None else float(np.percentile(both, 97.5)),
        p_value=p,
        error=relative_error(one),
        sensitivity=change,
        noise_draws=n_draws if change == change else 0,  # noqa: PLR0124 - NaN
        randomisation=correlation,
        seconds=seconds,
    )


def _curve(curves: Sequence[np.ndarray]) -> Float32:
    """Mean over orders; NaN at every fraction when there is none."""
    found = np.mean(curves, axis=0) if curves else np.full(len(FRACTIONS), np.nan)
    mean: Float32 = found.astype(np.float32)
    return mean


def relative_error(one: Attribution) -> float:
    """|convergence delta| as a share of the change explained, or of the largest |score| if that is larger."""
    change = abs(one.value if one.outcome.value_change is None else one.outcome.value_change)
    scale = max(change, float(np.nanmax(np.abs(one.scores))), 1e-9)
    return abs(one.convergence_delta) / scale


def sensitivity(
    work: Workspace,
    targets: Sequence[Target],
    method: LoadedMethod,
    answers: Sequence[Attribution],
    noise: float,
    n_draws: int,
    seed: int,
) -> list[float]:
    """Largest ||a(x + noise) - a(x)|| / ||a(x)|| over draws of Gaussian embedding noise (Yeh et al. 2019).

    The noise's standard deviation is `noise` times that of the prompt's embeddings; all draws of all prompts are one
    batch of the method. NaN without draws, or where the attribution failed.
    """
    if n_draws == 0:
        return [_NAN] * len(answers)
    owners = [i for i in range(len(answers)) for _ in range(n_draws)]
    shaken = work.embeddings[owners].clone()
    for i, text in enumerate(work.texts):
        here = work.embeddings[i, : len(text)].float()
        drawn = torch.randn(n_draws, *here.shape, generator=generator_of(text, seed)).to(here.device)
        shaken[i * n_draws : (i + 1) * n_draws, : len(text)] += (drawn * noise * here.std()).to(shaken.dtype)
    again = _again(work, targets, method, owners, shaken)
    changes = [_change(one, answers[i]) for one, i in zip(again, owners, strict=True)]
    return [max(changes[i * n_draws : (i + 1) * n_draws], default=_NAN) for i in range(len(answers))]


def randomisation(
    work: Workspace,
    targets: Sequence[Target],
    method: LoadedMethod,
    answers: Sequence[Attribution],
    seed: int,
) -> list[float]:
    """Spearman correlation of |scores| with those of the model with random weights (Adebayo et al. 2018): near 1 means
    that the method shows the input or the architecture, not what the model has learnt."""
    embeddings = work.embeddings
    with random_weights(work.backend.model, seed):
        again = _again(work, targets, method, list(range(len(answers))), embeddings)
    return [_spearman(one, other) for one, other in zip(answers, again, strict=True)]


def _again(
    work: Workspace,
    targets: Sequence[Target],
    method: LoadedMethod,
    owners: Sequence[int],
    embeddings: torch.Tensor,
) -> list[Attribution]:
    needs = method.needs
    capture = Capture(needs.attention, gradients=needs.gradients, attention_gradients=needs.attention_gradients)
    texts, positions = [work.texts[i] for i in owners], [int(work.positions[i]) for i in owners]
    rows = Workspace(work.backend, texts, capture, positions, embeddings)
    rows.partners = tuple(work.partners[i] for i in owners) if work.partners else ()
    return method.method.attribute(rows, [targets[i] for i in owners], method.params)


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
