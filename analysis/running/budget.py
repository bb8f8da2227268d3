"""A budget of forward passes for each prompt: what does not fit is done with fewer steps, or left out, and says so.

Counted in passes and not in seconds, so that the same request gives the same numbers on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headscope.analysis.registry import METHODS, Param, analysis
from headscope.analysis.running.preflight import Size, own_passes, shared_passes
from headscope.analysis.types import ModelInfo

Given = Mapping[str, Mapping[str, Any]]
RECEIPTS = "receipts"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a prompt gets of the methods and receipts asked for: their parameters in full, and by name a sentence on a
    parameter that was made smaller (`reduced`) or on why one is left out (`left_out`)."""

    params: Given
    reduced: Mapping[str, str]
    left_out: Mapping[str, str]


def fit(budget: int, params: Given, size: Size, info: ModelInfo) -> Fitted:
    """`params` (of everything asked for, in full) for a prompt of that size.

    Shared passes, measurements and probes come first. Then, the cheapest first, each method and the receipts get at
    most an equal share of what is left: one whose cost is set by a parameter takes a smaller one, down to its minimum;
    any other must fit whole.
    """
    asked = {name: analysis(name) for name in params}
    costs = {name: own_passes(entry.cost, params[name], size, info) for name, entry in asked.items()}
    bounded = [name for name in params if name in METHODS or name == RECEIPTS]
    left = budget - shared_passes(asked.values()) - sum(costs[name] for name in params if name not in bounded)
    kept, reduced, left_out = dict(params), dict[str, str](), dict[str, str]()
    for count, name in enumerate(sorted(bounded, key=lambda name: costs[name])):
        share = max(0.0, left / (len(bounded) - count))
        if costs[name] <= share:
            left -= costs[name]
            continue
        cost = asked[name].cost.under(params[name])
        param = next((one for one in asked[name].params if one.name == cost.per and one.kind == "int"), None)
        most = 0 if param is None else int(share / cost.passes)
        if param is None or most < (param.minimum or 1):
            left_out[name] = _too_much(costs[name], budget, param)
            continue
        kept[name] = {**params[name], param.name: most}
        reduced[name] = (
            f"{param.name} {most} instead of {params[name][param.name]}: more would not fit into the budget of "
            f"{budget:,} forward passes a prompt"
        )
        left -= own_passes(asked[name].cost, kept[name], size, info)
    return Fitted(kept, reduced, left_out)


def _too_much(cost: float, budget: int, param: Param | None) -> str:
    least = "" if param is None else f" even with the smallest {param.name}, {param.minimum:g},"
    return (
        f"left out:{least} its {cost:,.0f} forward passes are more than its share of the budget of {budget:,} a "
        "prompt. Give a larger --budget, or ask for fewer analyses."
    )
