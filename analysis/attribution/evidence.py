"""Receipts: what speaks for the attributions of a request, measured on the same prompts and kept with them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headscope.analysis.attribution.again import Shaken, randomisation, second_baseline, sensitivity
from headscope.analysis.attribution.asked_again import Asker
from headscope.analysis.attribution.orders import FEWEST, FRACTIONS, kendall, ranked, verdict
from headscope.analysis.attribution.removal_curves import Compared
from headscope.analysis.attribution.removal_test import RemovalTest, Subject
from headscope.analysis.interfaces import LoadedMethod
from headscope.analysis.registry.receipts import noise_draws
from headscope.analysis.types import Attribution, Params
from headscope.analysis.types.receipts import Receipt, RemovalCurves, standing

NAME = "receipts"
Loaded = Mapping[str, LoadedMethod]
Found = Mapping[str, list[Attribution]]
_NAN = float("nan")
_HEADS = "it scores heads, components or layers, and the removal test ranks tokens"
_FEW = f"the prompt has fewer than {FEWEST} tokens or words that could be removed: no order can stand out"
_NO_CURVE = np.full(len(FRACTIONS), np.nan, dtype=np.float32)
_NOTHING = RemovalCurves(
    "", _NO_CURVE, _NO_CURVE, _NO_CURVE, _NO_CURVE, _NO_CURVE, _NO_CURVE, _NAN, _NAN, _NAN, _NAN, _NAN, _NAN
)


@dataclass(frozen=True, slots=True)
class _Again:
    """What asking a method again gave, for one attribution. second: the other baseline in words, and its tau."""

    n_draws: int = 0
    sensitivity: float = _NAN
    randomisation: float = _NAN
    second: tuple[str, float] = ("", _NAN)
    problem: str | None = None


def attach_receipts(
    test: RemovalTest, asker: Asker, methods: Loaded, found: Found, scored: Found | None = None
) -> Found:
    """The attributions of each method with their receipts; failed ones stay without. scored: the same with the scores
    that the test ranks, where they have others.

    What goes wrong while asking a method again is a receipt that says so: evidence never costs the attribution. Cost:
    the lattices of the test, or `2 x len(FRACTIONS) x (random_orders + methods + 1)` masked passes per prompt and
    masking; and each method once per draw of noise and second baseline.
    """
    scored = found if scored is None else scored
    tested = dict(zip(found, test.run(list(scored.values())), strict=True))
    share = test.seconds / max(1, sum(map(len, found.values())))
    answers, shaken = {}, Shaken()
    for name in sorted(found, key=lambda name: repr(methods[name].needs)):  # those of the same needs share noisy copies
        started, given = time.perf_counter(), found[name]
        if all(one.error is not None for one in given):  # also of methods that a budget leaves out
            answers[name] = given
            continue
        again = _ask_again(test.settings, asker, name, methods[name], scored[name], shaken)
        seconds = share + (time.perf_counter() - started) / max(1, len(given))
        rows = zip(given, scored[name], test.subjects, tested[name], again, strict=True)
        answers[name] = [
            one if one.error is not None else replace(one, receipt=_receipt(test, mine, subject, result, more, seconds))
            for one, mine, subject, result, more in rows
        ]
    return {name: answers[name] for name in found}


def _ask_again(
    settings: Params, asker: Asker, name: str, method: LoadedMethod, answers: Sequence[Attribution], shaken: Shaken
) -> list[_Again]:
    n_draws = noise_draws(method.needs, settings)
    again = [_Again(n_draws)] * len(answers)
    try:
        changes = sensitivity(asker, name, method, answers, settings["noise"], n_draws, settings["seed"], shaken)
        again = [replace(one, sensitivity=change) for one, change in zip(again, changes, strict=True)]
        second = second_baseline(asker, name, method, answers, settings["second_baseline"])
        again = [replace(one, second=words) for one, words in zip(again, second, strict=True)]
        if settings["weight_randomisation"]:
            same = randomisation(asker, name, method, answers, settings["seed"])
            again = [replace(one, randomisation=value) for one, value in zip(again, same, strict=True)]
    except Exception as error:  # a method that cannot bear noise or random weights keeps its attribution
        problem = f"measuring again failed: {type(error).__name__}: {error}"
        again = [replace(one, problem=problem) for one in again]
    return again


def _receipt(
    test: RemovalTest, one: Attribution, subject: Subject, tested: Compared | None, again: _Again, seconds: float
) -> Receipt:
    curves = _NOTHING if tested is None else tested.mean
    p_value = _NAN if tested is None else tested.p_value
    top1, tau = (_NAN, _NAN) if tested is None else against_shapley(one, subject)
    return Receipt(
        verdict=standing(verdict(curves.gain, p_value, curves.recency_gain), one.outcome.converged),
        reason="; ".join(filter(None, (_why_not(one, subject, tested), again.problem))) or None,
        masking=", ".join(map(str, test.maskings)),
        n_units=len(subject.units),
        n_random=0 if tested is None else tested.n_orders,
        fractions=np.array(FRACTIONS, dtype=np.float32),
        deletion=curves.deletion,
        insertion=curves.insertion,
        random_deletion=curves.random_deletion,
        random_insertion=curves.random_insertion,
        comprehensiveness=curves.comprehensiveness,
        sufficiency=curves.sufficiency,
        gain=curves.gain,
        random_gain=_NAN if tested is None else tested.random_gain,
        random_low=curves.random_low,
        random_high=curves.random_high,
        p_value=p_value,
        error=relative_error(one),
        sensitivity=again.sensitivity,
        noise_draws=again.n_draws if again.sensitivity == again.sensitivity else 0,
        randomisation=again.randomisation,
        seconds=seconds,
        unit=subject.unit,
        exact=tested is not None and bool(subject.games),
        recency_gain=curves.recency_gain,
        removal=() if tested is None else tested.parts,
        shapley_top1=top1,
        shapley_tau=tau,
        second_baseline=again.second[0],
        baseline_tau=again.second[1],
    )


def _why_not(one: Attribution, subject: Subject, tested: Compared | None) -> str | None:
    if tested is not None:
        return None
    return _HEADS if subject.scores(one) is None else _FEW


def against_shapley(one: Attribution, subject: Subject) -> tuple[float, float]:
    """Whether the attribution ranks the same unit first as the exact Shapley values (1 or 0), and Kendall's tau-b with
    them; an unsigned one is held against their sizes. NaN where they are not known."""
    scores, exact = subject.scores(one), subject.shapley
    if scores is None or exact is None:
        return _NAN, _NAN
    reference = exact if one.signed else np.abs(exact)
    return float(ranked(scores, subject.ties)[0] == reference.argmax()), kendall(scores, reference)


def relative_error(one: Attribution) -> float:
    """|convergence delta| as a share of the change explained, or of the largest |score| if that is larger."""
    change = abs(one.value if one.outcome.value_change is None else one.outcome.value_change)
    scale = max(change, float(np.nanmax(np.abs(one.scores))), 1e-9)
    return abs(one.convergence_delta) / scale
