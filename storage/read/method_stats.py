"""Statistics of methods, and what their intervals are worked out from, of what the database added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.storage.read.method_sums import MEANS, SPREADS, VERDICTS, Key, MethodSums
from headscope.storage.rows import MEASURES, MethodFailure, MethodGains, MethodStats

COUNTED = ("n", "n_failed", "n_ranked", "n_tested")
ENDS = {"seconds": ("seconds_low", "seconds_high"), "peak_bytes": ("peak_low", "peak_high")}
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class MethodAnswers:
    """What is kept of the sums, by whether results that did not converge count too. failures: None where the sums do
    not say them."""

    stats: Mapping[bool, tuple[MethodStats, ...]]
    gains: Mapping[bool, MethodGains]
    failures: tuple[MethodFailure, ...] | None


def answers(found: MethodSums) -> MethodAnswers:
    """See `RunReader.method_stats`, `method_gains` and `method_failures`."""
    either = (False, True)
    return MethodAnswers({also: _stats(found, also) for also in either}, {also: _gains(found, also) for also in either},
                         _failures(found))  # fmt: skip


def _stats(found: MethodSums, unconverged: bool) -> tuple[MethodStats, ...]:
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(found.keys):
        places.setdefault(key, []).append(place)
    return tuple(sorted((_of_key(found, key, np.array(mine), unconverged) for key, mine in places.items()),
                        key=_by_gain))  # fmt: skip


def _gains(found: MethodSums, unconverged: bool) -> MethodGains:
    counts = [found.numbers[f"n_{name}"] for name in MEASURES]
    wanted = np.flatnonzero((counts[0] > 0) & (unconverged | ~found.unsure))
    groups, keys = _numbered([found.groups[row] for row in wanted]), _numbered([found.keys[row] for row in wanted])
    at = ([groups[found.groups[row]] for row in wanted], [keys[found.keys[row]] for row in wanted])
    added = np.zeros((2, len(groups), len(keys), len(MEASURES)))
    for side, columns in zip(added, ([found.numbers[name] for name in MEASURES], counts), strict=True):
        np.add.at(side, at, np.stack(columns, -1)[wanted])  # what did not converge is a row of its own
    return MethodGains(tuple(keys), added[0], added[1])


def _failures(found: MethodSums) -> tuple[MethodFailure, ...] | None:
    """None where some of those added up failed for one reason and some for another."""
    if any(first != last for first, last, _ in found.errors):
        return None
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for (method, _), n, (reason, _, run_id) in zip(found.keys, found.numbers["n_failed"], found.errors, strict=True):
        if reason is not None and run_id is not None:
            counts[method, reason] += int(n)
            examples[method, reason] = min(examples.get((method, reason), run_id), run_id)
    listed = sorted(counts.items(), key=lambda item: (-item[1], *item[0]))
    return tuple(MethodFailure(*key, count, examples[key]) for key, count in listed)


def _numbered(found: Sequence[Any]) -> dict[Any, int]:
    return {one: index for index, one in enumerate(dict.fromkeys(found))}


def _of_key(found: MethodSums, key: Key, mine: Rows, unconverged: bool) -> MethodStats:
    sure = mine[~found.unsure[mine]]
    kept, unsure = mine if unconverged else sure, mine[found.unsure[mine]]

    def total(name: str, rows: Rows) -> int:
        return int(found.numbers[name][rows].sum())

    counts = {**{name: total(name, mine) for name in COUNTED}, **{name: total(name, sure) for name in VERDICTS}}
    return MethodStats(**{
        **dict(zip(("method", "prompt_set"), key, strict=True)),
        **counts,
        **_measured(found, kept),
        "signed": total("n_signed", mine) > 0,
        "n_not_converged": total("n", unsure),
        "n_unsure": total("n_tested", unsure),
        "models": tuple(sorted({found.models[row] for row in mine})),
    })  # fmt: skip


def _measured(found: MethodSums, kept: Rows) -> dict[str, Any]:
    """Counts, means and percentiles; None of nothing."""
    numbers = {name: column[kept].sum() for name, column in found.numbers.items()}
    counts = {"n_receipts": "n_over_random", "n_recency": "n_over_recency", "n_shapley": "n_shapley",
              "n_top1": "n_top1"}  # fmt: skip
    made: dict[str, Any] = {name: int(numbers[of]) for name, of in counts.items()}
    made |= {name: float(numbers[name] / n) if (n := numbers[f"n_{name}"]) else None for name in MEANS}
    for name in SPREADS:
        values = np.concatenate([np.empty(0), *(found.values[name][row] for row in kept)])
        shares = dict(zip((name, *ENDS.get(name, ())), (0.5, 0.1, 0.9), strict=False))
        ends = np.quantile(values, list(shares.values())).tolist() if len(values) else [None] * len(shares)
        made |= dict(zip(shares, ends, strict=True)) | ({} if name in ENDS else {f"n_{name}": len(values)})
    return made


def _by_gain(item: MethodStats) -> tuple[Any, ...]:
    return item.over_random is None, -(item.over_random or 0.0), item.method, item.prompt_set or ""
