"""Two experiments compared prompt by prompt: what changed, how surely, and which prompts flipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.prompt_tags import TEMPLATE, tag
from headscope.analysis.statistics.answers import has_answer
from headscope.analysis.statistics.counterfactual import Contrast, Members, contrasts
from headscope.analysis.statistics.effects import Effect, adjusted, of_shares, paired_effect
from headscope.analysis.statistics.first_layer import UNREAD, Parting
from headscope.analysis.statistics.mcnemar import mcnemar

YES_OR_NO = ("accuracy", "detectors")


@dataclass(frozen=True, slots=True)
class Observed:
    """One prompt in one experiment; unmeasured numbers are NaN. Log-probabilities and surprisal in nats.

    toxicity: of the continuation. template: the name of the wording, if it has one. detectors: name -> failed or not,
    for those that judged the run.
    """

    run_id: str
    model: str
    prompt_set: str
    key: str
    text: str
    failed: bool = False
    pair_id: str | None = None
    group: str | None = None
    target: str | None = None
    says: str | None = None
    target_rank: float = math.nan
    target_logprob: float = math.nan
    margin: float = math.nan
    surprisal: float = math.nan
    n_tokens: float = math.nan
    toxicity: float = math.nan
    template: str = ""
    detectors: Mapping[str, bool] = field(default_factory=dict)

    @property
    def has_answer(self) -> bool:
        """Whether the target is the right answer: in a pair about groups of people it is not."""
        return has_answer(self.target, self.group)

    @property
    def correct(self) -> float:
        """1 where the target has rank 1, 0 where not, NaN without an answer."""
        if not self.has_answer or math.isnan(self.target_rank):
            return math.nan
        return float(self.target_rank == 1)


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the report: candidate minus baseline over the prompts both have.

    name: what `--fail-on` calls it. part: which detector or contrast. baseline, candidate: the means. adjusted_p:
    Benjamini-Hochberg over all rows. worse: how far the change goes the bad way (negative is an improvement).
    """

    name: str
    part: str
    unit: str
    baseline: float
    candidate: float
    effect: Effect
    adjusted_p: float
    worse: float

    @property
    def mcnemar(self) -> float:
        """McNemar's exact p, not adjusted, of a share of prompts or runs; NaN for other measures."""
        yes_or_no = self.name in YES_OR_NO and self.effect.n
        return mcnemar(self.effect.above, self.effect.below) if yes_or_no else math.nan


@dataclass(frozen=True, slots=True)
class Flip:
    """A prompt whose answer or verdict changed; `worse` how far its target fell (nats), or 1 for a verdict."""

    kind: str
    prompt_set: str
    key: str
    text: str
    baseline: str
    candidate: str
    baseline_run: str
    candidate_run: str
    worse: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """changes: the surest first. broken: wrong now, right before, the furthest fall first. mended: the other way.

    n: prompts in both; only_baseline, only_candidate: prompts in one only; failed: runs that failed in the candidate
    and did not in the baseline. states: in which layer the models part, for whoever reads the states too.
    """

    changes: tuple[Change, ...]
    broken: tuple[Flip, ...]
    mended: tuple[Flip, ...]
    failed: tuple[Flip, ...]
    n: int
    only_baseline: int
    only_candidate: int
    states: Parting = UNREAD


@dataclass(frozen=True, slots=True)
class Measure:
    """sign: +1 where more is worse."""

    unit: str
    sign: float
    of: Callable[[Observed], float]


MEASURES: dict[str, Measure] = {
    "accuracy": Measure("share of answers at rank 1", -1.0, lambda run: run.correct),
    "target": Measure("log P(target), nats", -1.0, lambda run: run.target_logprob if run.has_answer else math.nan),
    "surprisal": Measure("mean surprisal, nats/token", 1.0, lambda run: run.surprisal),
    "toxicity": Measure("P(toxic) of the continuation", 1.0, lambda run: run.toxicity),
}
Pair = tuple[Observed, Observed]


def compare(baseline: Sequence[Observed], candidate: Sequence[Observed]) -> Comparison:
    """Match the prompts of two experiments by prompt set and key, and test every measure on the differences.

    Surprisal is compared only where both models cut the prompt into as many tokens: it is a mean over them.
    """
    before, after = ({(run.prompt_set, run.key): run for run in runs} for runs in (baseline, candidate))
    matched = [(before[key], after[key]) for key in before if key in after]
    pairs = [pair for pair in matched if not (pair[0].failed or pair[1].failed)]
    rows = [*_measures(pairs), *_detectors(pairs), *_bias(pairs)]
    levels = adjusted([row.effect.p for row in rows])
    rows = [replace(row, adjusted_p=float(p)) for row, p in zip(rows, levels, strict=True)]
    flips = [*_answers(pairs), *_verdicts(pairs)]
    failed = [_flip("failed", *pair, "succeeded", "failed", 1.0) for pair in matched if _newly(pair)]
    return Comparison(
        tuple(sorted(rows, key=lambda row: (np.isnan(row.adjusted_p), row.adjusted_p, -row.worse))),
        tuple(sorted((flip for flip in flips if flip.worse > 0), key=lambda flip: -flip.worse)),
        tuple(sorted((flip for flip in flips if flip.worse < 0), key=lambda flip: flip.worse)),
        tuple(failed),
        len(matched),
        len(before) - len(matched),
        len(after) - len(matched),
    )


def _newly(pair: Pair) -> bool:
    return pair[1].failed and not pair[0].failed


def _measures(pairs: Sequence[Pair]) -> list[Change]:
    rows = []
    for name, measure in MEASURES.items():
        usable = [pair for pair in pairs if name != "surprisal" or pair[0].n_tokens == pair[1].n_tokens]
        rows.append(_change(name, "", measure.unit, measure.sign, usable, measure.of))
    return [row for row in rows if row.effect.n]


def _detectors(pairs: Sequence[Pair]) -> list[Change]:
    names = sorted({name for pair in pairs for run in pair for name in run.detectors})

    def of(name: str) -> Callable[[Observed], float]:
        return lambda run: float(run.detectors[name]) if name in run.detectors else math.nan

    rows = [_change("detectors", name, "share of runs that fail", 1.0, pairs, of(name)) for name in names]
    return [row for row in rows if row.effect.n]


def _change(
    name: str, part: str, unit: str, sign: float, pairs: Sequence[Pair], of: Callable[[Observed], float]
) -> Change:
    values = np.array([[of(run) for run in pair] for pair in pairs], dtype=np.float64).reshape(len(pairs), 2)
    known: NDArray[np.bool_] = np.isfinite(values[:, 0]) & np.isfinite(values[:, 1])
    # prompts of one pair are variants of each other: they are drawn together
    groups = [(one.prompt_set, one.pair_id or one.key) for (one, _), keep in zip(pairs, known, strict=True) if keep]
    effect = paired_effect(values[known, 1] - values[known, 0], groups)
    if name in YES_OR_NO:
        effect = of_shares(effect, values[known, 1] - values[known, 0])
    means = values[known].mean(axis=0) if known.any() else np.full(2, np.nan)
    return Change(name, part, unit, float(means[0]), float(means[1]), effect, math.nan, sign * effect.mean)


def _bias(pairs: Sequence[Pair]) -> list[Change]:
    """Contrasts between groups of people: worse is further from 0, whichever group it favours."""
    found = []
    before, after = (_contrasts([pair[side] for pair in pairs]) for side in (0, 1))
    for key in sorted(before.keys() & after.keys()):
        old, new = ({p.pair_id: p for p in side[key].pairs} for side in (before, after))
        both = [name for name in old if name in new]
        values = np.array([[old[name].difference, new[name].difference] for name in both])
        templates, fillers = [old[name].template for name in both], [old[name].filler for name in both]
        effect = paired_effect(values[:, 1] - values[:, 0], templates, fillers)
        means = values.mean(axis=0)
        worse = float(abs(means[1]) - abs(means[0]))
        unit = "nats between the groups"
        found.append(Change("bias", " ".join(key), unit, float(means[0]), float(means[1]), effect, math.nan, worse))
    return found


def _contrasts(runs: Sequence[Observed]) -> dict[tuple[str, str, str, str], Contrast]:
    kept = [run for run in runs if run.pair_id is not None and run.group is not None and not run.has_answer]
    members = Members(
        run_id=[run.run_id for run in kept],
        model=[""] * len(kept),
        prompt_set=[run.prompt_set for run in kept],
        pair_id=[run.pair_id or "" for run in kept],
        group=[run.group or "" for run in kept],
        tags=[(tag(TEMPLATE, run.template),) if run.template else () for run in kept],
        text=[run.text for run in kept],
        value=np.array([run.margin for run in kept], dtype=np.float64),
    )
    return {(row.prompt_set + ":", row.a, "against", row.b): row for row in contrasts(members, pooled=True)}


def _answers(pairs: Sequence[Pair]) -> list[Flip]:
    flips = []
    for old, new in pairs:
        if math.isfinite(old.correct) and math.isfinite(new.correct) and old.correct != new.correct:
            fall = old.target_logprob - new.target_logprob
            size = abs(fall) if math.isfinite(fall) and fall else 1e-9
            worse = math.copysign(size, old.correct - new.correct)
            flips.append(_flip("answer", old, new, old.says or "", new.says or "", worse))
    return flips


def _verdicts(pairs: Sequence[Pair]) -> list[Flip]:
    """Detectors that changed their mind; those about the answer itself would say the same flip twice."""
    return [
        _flip(name, old, new, *(("passed", "fails") if new.detectors[name] else ("fails", "passed")),
              1.0 if new.detectors[name] else -1.0)
        for old, new in pairs
        for name in old.detectors
        if name in new.detectors and old.detectors[name] != new.detectors[name]
    ]  # fmt: skip


def _flip(kind: str, old: Observed, new: Observed, was: str, becomes: str, worse: float) -> Flip:
    return Flip(kind, old.prompt_set, old.key, old.text, was, becomes, old.run_id, new.run_id, worse)
