"""A budget of forward passes for each prompt: what does not fit is done with fewer steps, or left out, and says so.

Counted in passes and not in seconds, so that the same request gives the same numbers on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headscope.analysis.registry import METHODS, Param, analysis
from headscope.analysis.running.preflight import RECEIPTS, SHARED, Asked, Size, efforts
from headscope.analysis.types import ModelInfo

LIGHTER: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("a second baseline", {"second_baseline": "none"}),
    ("noise and a second baseline", {"second_baseline": "none", "noise_draws": 0, "weight_randomisation": False}),
)
"""What receipts go without, the most dispensable first."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a prompt gets of the methods and receipts asked for: their parameters in full, and by name a sentence on a
    parameter that was made smaller (`reduced`) or on why one is left out (`left_out`)."""

    params: Asked
    reduced: Mapping[str, str]
    left_out: Mapping[str, str]

    @property
    def done(self) -> Asked:
        """The parameters of what is not left out."""
        return {name: given for name, given in self.params.items() if name not in self.left_out}


def fit(budget: int, params: Asked, size: Size, info: ModelInfo) -> Fitted:
    """`params` (of everything asked for, in full) for a prompt of that size.

    Shared passes, measurements and probes come first. Then, the cheapest first, each method and the receipts get at
    most an equal share of what is left: one whose cost is set by a parameter takes a smaller one, down to its minimum;
    receipts go without what they ask methods again for; any other must fit whole.
    """
    costs = {name: found.most for name, found in efforts(params, size, info).items()}
    bounded = [name for name in params if name in METHODS or name == RECEIPTS]
    left = budget - costs[SHARED] - sum(costs[name] for name in params if name not in bounded)
    kept, reduced, left_out = dict(params), dict[str, str](), dict[str, str]()
    for count, name in enumerate(sorted(bounded, key=lambda name: costs[name])):
        share = max(0.0, left / (len(bounded) - count))
        if costs[name] <= share:
            left -= costs[name]
            continue
        made = _receipts(kept, share, size, info) if name == RECEIPTS else _smaller(name, params[name], share)
        if made is None:
            left_out[name] = _too_much(costs[name], budget, _counted(name, params[name]))
            continue
        kept[name], how = made
        reduced[name] = f"{how}: more would not fit into the budget of {budget:,} forward passes a prompt"
        left -= efforts(kept, size, info)[name].most
    return Fitted(kept, reduced, left_out)


def _counted(name: str, given: Mapping[str, Any]) -> Param | None:
    """The parameter that sets what an analysis costs, None where none does."""
    entry = analysis(name)
    per = entry.cost.under(given).per
    return next((one for one in entry.params if one.name == per and one.kind == "int"), None)


def _smaller(name: str, given: Mapping[str, Any], share: float) -> tuple[Mapping[str, Any], str] | None:
    param = _counted(name, given)
    most = 0 if param is None else int(share / analysis(name).cost.under(given).passes)
    if param is None or most < (param.minimum or 1):
        return None
    return {**given, param.name: most}, f"{param.name} {most} instead of {given[param.name]}"


def _receipts(asked: Asked, share: float, size: Size, info: ModelInfo) -> tuple[Mapping[str, Any], str] | None:
    for what, without in LIGHTER:
        lighter = {**asked[RECEIPTS], **without}
        if efforts({**asked, RECEIPTS: lighter}, size, info)[RECEIPTS].most <= share:
            return lighter, f"only a part is there, without {what}"
    return None


def _too_much(cost: float, budget: int, param: Param | None) -> str:
    least = "" if param is None else f" even with the smallest {param.name}, {param.minimum:g},"
    return (
        f"left out:{least} its {cost:,.0f} forward passes are more than its share of the budget of {budget:,} a "
        "prompt. Give a larger --budget, or ask for fewer analyses."
    )
