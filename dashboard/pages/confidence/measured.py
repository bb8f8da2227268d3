"""What the Confidence page reads of each run, and which runs have a right answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.answers import has_answer
from headscope.analysis.statistics.confidence import answered_right
from headscope.analysis.statistics.intervals import ANYWHERE, SHARES, UPWARDS, Within
from headscope.analysis.statistics.series import Difference, Sample, paired, unpaired
from headscope.dashboard.pages.confidence.series import Series
from headscope.dashboard.units import in_bits
from headscope.storage.rows import Measures

if TYPE_CHECKING:
    from headscope.dashboard.pages.confidence.query import ConfidenceQuery

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """read: of the runs' columns, float64 `[run]`, NaN where unmeasured. zero, log: of its axis. within: what a
    value lies between. by_token: it depends
    on how the text is cut, so that two models are compared only where they cut alike. of_answer: only where the target
    is a right answer."""

    title: str
    unit: str
    read: Callable[[Measures], Floats]
    zero: bool = True
    log: bool = False
    within: Within = ANYWHERE
    by_token: bool = False
    of_answer: bool = False


SURE = (
    Measure(
        "Mean surprisal", "bits per token", lambda runs: in_bits(runs.mean_surprisal), within=UPWARDS, by_token=True
    ),
    Measure("Next-token entropy", "bits", lambda runs: in_bits(runs.next_entropy), within=UPWARDS),
    Measure("Top probability", "probability", lambda runs: runs.next_token_prob, within=SHARES),
    Measure("Margin over foil", "nats", lambda runs: runs.margin, zero=False),
)
SHOWN = (
    *SURE,
    Measure("Rank of the target", "rank", lambda runs: runs.target_rank, log=True, within=(1.0, math.inf)),
    Measure("Probability of the target", "probability", lambda runs: np.exp(runs.target_logprob), within=SHARES),
)
"""What is drawn as distributions."""
PLAIN = ("probability", "rank", "share")
"""Units that a column's name says already."""
COMPARED = (
    *SURE,
    Measure("log P(target)", "nats", lambda runs: runs.target_logprob, of_answer=True),
    Measure("Right", "share", lambda runs: answered_right(runs.target_rank), of_answer=True),
)
"""What series are compared in."""


def shown_measures(runs: Measures) -> list[tuple[Measure, Floats]]:
    """Every measure that is drawn, with its values `[run]`."""
    return [(item, item.read(runs)) for item in SHOWN]


def answerable(runs: Measures) -> NDArray[np.bool_]:
    """Whether each run's target is a right answer, `[run]`."""
    return np.array([has_answer(*pair) for pair in zip(runs.target, runs.group, strict=True)], dtype=bool)


def judged(runs: Measures, query: ConfidenceQuery) -> Floats:
    """1 right, 0 wrong, NaN where nothing is: without a target, or where the link counts right answers only and this
    target is none."""
    right = answered_right(runs.target_rank)
    return right if query.answers == "all" else np.where(answerable(runs), right, np.nan)


def compared(runs: Measures, a: Series, b: Series, item: Measure, by: str) -> Difference:
    """Series `a` minus `b` in one measure: the same prompts on both models, both sides of pairs, else two groups of
    prompts. What lies in both (a run with both tags) is left out."""
    values, both = item.read(runs), np.intersect1d(a.rows, b.rows)
    if item.of_answer:
        values = np.where(answerable(runs), values, np.nan)
    if item.by_token and by == "model":
        values = np.where(_cut_alike(runs, a, b), values, np.nan)
    one, other = (_sample(runs, np.setdiff1d(side.rows, both), values, by) for side in (a, b))
    found = paired(one, other) if by in ("model", "group") else None
    return found if found is not None and found.n else unpaired(one, other)


def _sample(runs: Measures, rows: NDArray[np.int64], values: Floats, by: str) -> Sample:
    keys = [_key(runs, int(i), by) for i in rows]
    clusters = [(runs.prompt_set[i], runs.pair_id[i] or runs.prompt_key[i]) for i in rows]
    return Sample(values[rows], keys, clusters)


def _key(runs: Measures, i: int, by: str) -> Hashable:
    """What a run has in common with the run it is compared with; a run without a pair has nothing."""
    if by == "group":
        return (runs.model[i], runs.prompt_set[i], runs.pair_id[i]) if runs.pair_id[i] is not None else i
    return (runs.experiment[i], runs.prompt_set[i], runs.prompt_key[i])


def _cut_alike(runs: Measures, a: Series, b: Series) -> NDArray[np.bool_]:
    """Whether the prompt has as many tokens on both sides, `[run]`."""
    cuts: dict[Hashable, set[float]] = {}
    for i in (*a.rows, *b.rows):
        cuts.setdefault(_key(runs, int(i), "model"), set()).add(float(runs.n_tokens[i]))
    return np.array([len(cuts.get(_key(runs, i, "model"), ())) <= 1 for i in range(len(runs))], dtype=bool)
