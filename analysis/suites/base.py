"""What a suite of scores is, what it reads, and what it answers with. No SQL, no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import CONTEXT, value_of
from headscope.analysis.types import Float32, Int32

Floats = NDArray[np.float64]
K = TypeVar("K", bound=Hashable)
EQUAL = 1e-4
"""Log-likelihoods (nats) closer than this are a tie. In float32 the same sentence in another batch differed by up to
0.00003 (32 sentences of the embedded model)."""


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """One succeeded run, as scores read it; the newest of its prompt and model.

    logprobs: float32 `[T]`, nats, NaN for the first token. char_ends: int32 `[T]`, where each token ends in the text.
    target_token, target_rank: first token of the target and its rank (1 = top); None without a target.
    candidates: the most likely next tokens and their log-probabilities, best first.
    """

    prompt: str
    group: str | None
    pair: str | None
    tags: tuple[str, ...]
    logprobs: Float32
    char_ends: Int32
    target: str | None = None
    target_token: str | None = None
    target_rank: int | None = None
    candidates: tuple[tuple[str, float], ...] = ()

    def tag(self, key: str) -> str | None:
        """The value of the tag `key:value`, None without one."""
        return value_of(self.tags, key)


@dataclass(frozen=True, slots=True)
class Case:
    """One prompt and the scores a classifier gave it, or its continuations, from 0 to 1; from `threshold` on it says
    yes."""

    prompt: str
    group: str | None
    tags: tuple[str, ...]
    scores: tuple[float, ...]
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """One number of a suite over a subset, with its 95 % interval (NaN when too few items), and n items of a kind.

    chance, printed: what guessing gets on these items, and what is published for them, where that depends on the items;
    NaN where `Suite.chances` and `Suite.in_print` say it.
    """

    name: str
    subset: str
    value: float
    low: float
    high: float
    n: int
    chance: float = math.nan
    printed: float = math.nan


@dataclass(frozen=True, slots=True)
class Scored:
    """Every score of one model on one suite; left_out: why items did not count -> how many."""

    scores: tuple[Score, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InPrint:
    """What a paper, or its authors' published results, give for one model.

    source: which table or file; differs: what was done otherwise there; values: by score and subset.
    """

    model: str
    source: str
    differs: str
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)


ScoreRuns = Callable[[Sequence[SuiteRun]], Scored]
ScoreCases = Callable[[Sequence[Case]], Scored]


@dataclass(frozen=True, slots=True)
class Suite:
    """One format's scores. items: what n counts; definitions: score -> what it is, in a sentence or two.

    It has one of the two: `score` reads runs, `score_cases` reads cases that a classifier scored.
    chances: score -> what guessing gets; in_print: what others published; asks: analyses that its runs need beside the
    token trace, with their parameters.
    """

    name: str
    label: str
    paper: str
    items: str
    definitions: Mapping[str, str]
    score: ScoreRuns | None = None
    score_cases: ScoreCases | None = None
    chances: Mapping[str, float] = field(default_factory=dict)
    in_print: InPrint | None = None
    asks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def chance(self, score: Score) -> float:
        """What guessing gets; NaN where that is not known."""
        return score.chance if math.isfinite(score.chance) else self.chances.get(score.name, math.nan)

    def printed(self, score: Score) -> float:
        """The published value of this score on this subset; NaN without one."""
        if math.isfinite(score.printed):
            return score.printed
        return self.in_print.values.get((score.name, score.subset), math.nan) if self.in_print else math.nan


def likelihood(run: SuiteRun) -> tuple[float, int]:
    """Log-likelihood (nats) of the scored part of a run's text and its number of tokens.

    Scored is every token that ends behind the context (the tag `context:N`), so a token across the border counts. The
    very first token of a text has no log-probability and never counts. NaN and 0 when no token is left.
    """
    start = int(run.tag(CONTEXT) or 0)
    scored = (np.asarray(run.char_ends) > start) & np.isfinite(run.logprobs)
    n = int(scored.sum())
    return (float(np.asarray(run.logprobs, dtype=np.float64)[scored].sum()) if n else math.nan), n


def total(run: SuiteRun) -> float:
    """Log-likelihood of the scored part, summed over its tokens."""
    return likelihood(run)[0]


def per_token(run: SuiteRun) -> float:
    """Log-likelihood of the scored part, averaged over its tokens."""
    value, n = likelihood(run)
    return value / n if n else math.nan


def preference(first: float, second: float) -> float:
    """1 where the first log-likelihood is higher, 0 where the second is, 0.5 for a tie; NaN where one is not known.

    >>> preference(-1.0, -2.0), preference(-2.0, -1.0), preference(-1.0, -1.0)
    (1.0, 0.0, 0.5)
    """
    if not (math.isfinite(first) and math.isfinite(second)):
        return math.nan
    return 0.5 if abs(first - second) <= EQUAL else float(first > second)


def best(values: Sequence[float]) -> list[float]:
    """Each value's share of being the highest: 1 for one that stands alone, a half each for two that tie; `values` are
    finite.

    >>> best([-3.0, -1.0, -2.0]), best([-1.0, -1.0, -2.0])
    ([0.0, 1.0, 0.0], [0.5, 0.5, 0.0])
    """
    top = [max(values) - value <= EQUAL for value in values]
    return [float(is_top) / sum(top) for is_top in top]


def by_key(runs: Iterable[SuiteRun], key: Callable[[SuiteRun], K]) -> dict[K, list[SuiteRun]]:
    """Runs grouped by a key, in the order they came."""
    groups: dict[K, list[SuiteRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def needed(runs: Sequence[SuiteRun], suite: str, keys: Sequence[str]) -> None:
    """Raises InputError when a run lacks a tag that the score needs: it was not imported by this version."""
    for run in runs:
        for key in keys:
            if run.tag(key) is None:
                raise InputError(
                    f"run of prompt {run.prompt!r} has no tag {key}:..., which {suite} needs. Import again."
                )
