"""The tables of the Methods page as rows of plain values, for files and notebooks; unmeasured is None or NaN, units are
nats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from typing import Any

from headscope.analysis.statistics.intervals import wilson
from headscope.dashboard.pages.methods.comparison import Comparison, Dispute
from headscope.dashboard.pages.methods.gains import Gain, Gains, of
from headscope.dashboard.pages.methods.query import MEASURES as AGREEMENTS
from headscope.storage.rows import MEASURES, MethodStats, PromptScores

Row = dict[str, Any]
VERDICTS = ("n_better", "n_better_than_random", "n_uncompared", "n_no_better", "n_unsure")
STATS = tuple(item.name for item in fields(MethodStats))
SHARES = {**dict.fromkeys(VERDICTS, "n_tested"), "n_top1": "n_shapley"}
"""A count of a row -> what it is a share of."""
BOARD = (
    *STATS,
    *(f"{name}_{end}" for name in MEASURES for end in ("low", "high")),
    *(f"{name.removeprefix('n_')}_{part}" for name in SHARES for part in ("share", "low", "high")),
)
AGREEMENT = (
    "method_a",
    "method_b",
    *(f"{name}_{part}" for name in AGREEMENTS for part in ("mean", "low", "high", "n")),
    "not_converged_a",
    "not_converged_b",
)
RUN = ("run_id", "model", "prompt_set", "prompt_key", "text", "target", "foil")
DISPUTES = (*RUN, "dispute", "method_a", "method_b", "tau", "not_converged")


def board(stats: Sequence[MethodStats], gains: Gains) -> Iterator[Row]:
    """A row per method, or per method and prompt set; intervals beside the means and the shares."""
    return (dict(zip(BOARD, _stats_row(row, of(gains, row)), strict=True)) for row in stats)


def _stats_row(row: MethodStats, gains: Mapping[str, Gain]) -> Sequence[Any]:
    ends = [end for gain in gains.values() for end in (gain.low, gain.high)]
    shares: list[float] = []
    for name, total in SHARES.items():
        count, n = getattr(row, name), getattr(row, total)
        shares += [count / n if n else math.nan, *wilson(count, n)]
    stats = {**{name: getattr(row, name) for name in STATS}, "models": ", ".join(row.models)}
    return [*stats.values(), *ends, *shares]


def agreements(comparison: Comparison, methods: Sequence[str]) -> Iterator[Row]:
    """A row per two of these methods, with every measure, and on how many of the runs with its scores each did not
    converge."""
    for one, other in combinations(methods, 2):
        at = tuple(comparison.index((one, other)))
        means = [comparison.measure(name) for name in AGREEMENTS]
        parts = [part[at].item() for item in means for part in (item.mean, item.low, item.high, item.n)]
        unsure = (comparison.unsure[name][0] for name in (one, other))
        yield dict(zip(AGREEMENT, (one, other, *parts, *unsure), strict=True))


def disputed(item: Dispute, run: PromptScores) -> Row:
    """A prompt, with its methods that did not converge; `run` says its texts as they may be seen."""
    texts = (getattr(run, name) for name in RUN)
    values = (item.value, *item.apart, item.apart_tau, " ".join(sorted(item.run.not_converged)))
    return dict(zip(DISPUTES, (*texts, *values), strict=True))


def sampled(comparison: Comparison) -> str:
    """A sentence where not all runs were compared, else ""."""
    read, total = len(comparison.runs), comparison.total
    return f"A fixed random sample: {read:,} of {total:,} runs." if read < total else ""
