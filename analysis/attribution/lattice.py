"""The value of every coalition of a prompt's units, computed once in a request and kept with its workspace.

It serves the receipts of every method (all orders, exact Shapley values) and the methods that remove the same units in
the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from headscope.analysis.attribution.coalitions import all_coalitions
from headscope.analysis.attribution.masking import Masking, masked_values, units_of
from headscope.analysis.attribution.variant_tree import Bools, Float64
from headscope.analysis.registry.entry import LATTICE_UNITS
from headscope.analysis.types import Target
from headscope.analysis.workspace import GameKey, Workspace


def chosen_units(work: Workspace, prompt: int, unit: str) -> tuple[str, list[Bools]]:
    """What is removed, `token` or `word`, and the units as masks bool `[T]`: for `auto` tokens where there are at most
    `LATTICE_UNITS`, else words."""
    text, position = work.texts[prompt], int(work.positions[prompt])
    if unit != "auto":
        return unit, units_of(text, position, unit)
    tokens = units_of(text, position, "token")
    return ("token", tokens) if len(tokens) <= LATTICE_UNITS else ("word", units_of(text, position, "word"))


def compute_lattices(
    work: Workspace, targets: Sequence[Target], unit: str, maskings: Sequence[Masking], most: int = LATTICE_UNITS
) -> None:
    """Put the lattices of prompts of at most `most` units into `work.games`; the prompts of a batch share passes."""
    chosen = [chosen_units(work, prompt, unit) for prompt in range(len(work.texts))]
    few = {prompt: units for prompt, (_, units) in enumerate(chosen) if 0 < len(units) <= most}
    for masking in maskings:
        keys = {prompt: _key(targets[prompt], prompt, chosen[prompt][0], masking) for prompt in few}
        wanted = {prompt: units for prompt, units in few.items() if keys[prompt] not in work.games}
        found = every_value(wanted, partial(masked_values, work, targets, masking=masking))
        work.games.update({keys[prompt]: values for prompt, values in found.items()})


def every_value(
    units: Mapping[int, Sequence[Bools]], values_of: Callable[[list[int], list[Bools]], Float64]
) -> dict[int, Float64]:
    """By prompt the values float64 `[2^n]` of all coalitions of its units. values_of: takes prompts and, for each,
    which tokens stay; asked once, so that prompts share passes."""
    masks = {prompt: _there(mine) for prompt, mine in units.items()}
    owners = [prompt for prompt in units for _ in masks[prompt]]
    values = values_of(owners, [mask for mine in masks.values() for mask in mine])
    starts = np.cumsum([0, *(len(mine) for mine in masks.values())])
    return {prompt: values[start:stop] for prompt, start, stop in zip(units, starts[:-1], starts[1:], strict=True)}


def keep_lattice(work: Workspace, target: Target, prompt: int, unit: str, masking: Masking, values: Float64) -> None:
    """Values float64 `[2^n]` of all coalitions of `chosen_units`, for whoever asks `lattice` in this request."""
    work.games[_key(target, prompt, unit, masking)] = values


def lattice(work: Workspace, target: Target, prompt: int, unit: str, masking: Masking) -> Float64 | None:
    """Values float64 `[2^n]` of all coalitions of `units_of` that prompt, as `all_coalitions` counts them; None unless
    the request has them computed."""
    return work.games.get(_key(target, prompt, unit, masking))


def _key(target: Target, prompt: int, unit: str, masking: Masking) -> GameKey:
    return prompt, target.token_id, target.foil_id, target.quantity, unit, masking.kind, masking.replacement


def _there(units: Sequence[Bools]) -> list[Bools]:
    members = np.array(units, dtype=np.float32)
    absent = (~all_coalitions(len(units))).astype(np.float32)
    return list(absent @ members == 0)
