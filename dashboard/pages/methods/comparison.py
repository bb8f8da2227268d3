"""Every method with every other over many prompts: means with intervals, and how disputed each prompt is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.registry import METHODS
from headscope.analysis.statistics import agreement
from headscope.analysis.statistics.intervals import SHARES, Means, bootstrap_means
from headscope.dashboard.pages.methods.query import MethodsQuery, counted
from headscope.storage.interfaces import RunReader
from headscope.storage.read.counts import Counts
from headscope.storage.rows import PromptScores

MAX_RUNS = 1500
MAX_PAIRS = 400_000_000  # pairs of positions over all methods: some seconds; long texts have very many
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`methods` in the order shown; tau, overlap, signs: means `[method, method]` over prompts with intervals.

    taus `[run, method, method]`; chance: overlap of random orders, the mean of k / n. `runs` of `total`. unsure: of
    each method, on how many of the runs that it has scores for it did not converge, left out or not.
    """

    methods: tuple[str, ...]
    tau: Means
    overlap: Means
    signs: Means
    taus: Floats
    chance: float
    runs: tuple[PromptScores, ...]
    total: int
    unsure: Mapping[str, tuple[int, int]]

    def measure(self, name: str) -> Means:
        """`tau`, `overlap` or `signs`."""
        found: Means = getattr(self, name)
        return found

    def index(self, methods: Sequence[str]) -> list[int]:
        """Their places in the matrices; unknown ones are left out."""
        return [self.methods.index(name) for name in methods if name in self.methods]


@dataclass(frozen=True, slots=True)
class Dispute:
    """One prompt: 1 - mean tau over pairs of methods, and the two that are furthest apart."""

    run: PromptScores
    value: float
    apart: tuple[str, str]
    apart_tau: float


class Comparisons:
    """Comparisons of the last few filters, computed again when the store has changed."""

    def __init__(self, store: RunReader) -> None:
        self._store, self._kept = store, Counts(4)

    def of(self, query: MethodsQuery) -> Comparison:
        """The comparison for the runs a link stands for."""
        where = counted(self._store, query)
        sample = self._store.position_scores(where, MAX_RUNS)
        key = (repr(where), query.k, query.unconverged)
        return self._kept.get(
            key, sample.version, lambda: compare(sample.runs, sample.total, query.k, unconverged=query.unconverged)
        )


def compare(runs: Sequence[PromptScores], total: int, k: int, *, unconverged: bool = False) -> Comparison:
    """Work out a comparison. A prompt that several models ran is drawn whole in the bootstrap. Scores that did not
    converge take part with `unconverged` only.

    Of runs so long that there would be more than `MAX_PAIRS` pairs to compare, a fixed random sample is taken.
    """
    runs = _affordable(runs)
    counts = _unsure(runs)
    runs = runs if unconverged else [_converged(run) for run in runs]
    known = {name for run in runs for name in run.scores}
    methods = (*(name for name in METHODS if name in known), *sorted(known - METHODS.keys()))
    shape = (len(runs), len(methods), len(methods))
    taus, overlaps, signs = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    for rows, scores, signed in _alike(runs, methods):
        found = agreement.agreements(scores, signed, k)
        taus[rows], overlaps[rows], signs[rows] = found.tau, found.overlap, found.signs
    prompts = [(run.prompt_set, run.prompt_key) for run in runs]
    lengths = np.array([max(map(_measured, run.scores.values()), default=0) for run in runs])
    chance = k / lengths[lengths > k]
    return Comparison(
        methods=methods,
        tau=bootstrap_means(taus, prompts, within=(-1.0, 1.0)),
        overlap=bootstrap_means(overlaps, prompts, within=SHARES),
        signs=bootstrap_means(signs, prompts, within=SHARES),
        taus=taus,
        chance=float(chance.mean()) if len(chance) else float("nan"),
        runs=tuple(runs),
        total=total,
        unsure=counts,
    )


def _unsure(runs: Sequence[PromptScores]) -> dict[str, tuple[int, int]]:
    every = Counter(name for run in runs for name in run.scores)
    unsure = Counter(name for run in runs for name in run.not_converged & run.scores.keys())
    return {name: (unsure[name], n) for name, n in every.items()}


def _converged(run: PromptScores) -> PromptScores:
    """The run with the scores that can be built on."""
    return replace(run, scores={name: one for name, one in run.scores.items() if name not in run.not_converged})


def disputes(comparison: Comparison, methods: Sequence[str]) -> tuple[Dispute, ...]:
    """Prompts on which these methods disagree, the most disputed first; those with fewer than two are left out."""
    index = comparison.index(methods)
    taus = comparison.taus[:, index][:, :, index]
    values = agreement.disputes(taus)
    above = np.triu_indices(len(index), 1)
    pairs = np.nan_to_num(taus[:, above[0], above[1]], nan=np.inf)
    found = []
    for row in np.flatnonzero(np.isfinite(values)).tolist():
        least = int(pairs[row].argmin())
        apart = (comparison.methods[index[above[side][least]]] for side in (0, 1))
        found.append(Dispute(comparison.runs[row], float(values[row]), (*apart,), float(pairs[row, least])))
    return tuple(sorted(found, key=lambda item: (-item.value, item.run.run_id)))


def shown_methods(comparison: Comparison, query: MethodsQuery) -> tuple[str, ...]:
    """The methods that the link does not hide."""
    return tuple(name for name in comparison.methods if name not in query.hide)


def _affordable(runs: Sequence[PromptScores]) -> Sequence[PromptScores]:
    costs = np.array([len(run.scores) * max(map(len, run.scores.values()), default=0) ** 2 / 2 for run in runs])
    if costs.sum() <= MAX_PAIRS:
        return runs
    order = np.random.default_rng(0).permutation(len(runs))
    count = max(1, int(np.searchsorted(np.cumsum(costs[order]), MAX_PAIRS, side="right")))
    return [runs[index] for index in sorted(order[:count])]


def _alike(runs: Sequence[PromptScores], methods: Sequence[str]) -> Iterator[tuple[list[int], Floats, list[bool]]]:
    """Places of runs whose methods measured the same positions with the same kinds of sign, their scores `[run, method,
    position]`, and which methods are signed: compared together."""
    groups: dict[tuple[int, bytes, frozenset[str]], list[tuple[int, Floats]]] = {}
    for row, run in enumerate(runs):
        matrix = _matrix(run, methods)
        key = (matrix.shape[1], np.isfinite(matrix).tobytes(), run.signed)
        groups.setdefault(key, []).append((row, matrix))
    for (_, _, signed), members in groups.items():
        places, matrices = zip(*members, strict=True)
        yield list(places), np.stack(matrices), [name in signed for name in methods]


def _matrix(run: PromptScores, methods: Sequence[str]) -> Floats:
    """`[method, position]`, NaN for a method without scores here."""
    length = max((len(scores) for scores in run.scores.values()), default=0)
    matrix = np.full((len(methods), length), np.nan)
    for row, name in enumerate(methods):
        scores = run.scores.get(name)
        if scores is not None:
            matrix[row, : len(scores)] = scores
    return matrix


def _measured(scores: NDArray[np.float32]) -> int:
    return int(np.isfinite(scores).sum())
