"""The value of every coalition of a prompt's units, computed once in a request and kept with its workspace.

It serves the receipts of every method (all orders, exact Shapley values) and the methods that remove the same units in
the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headscope.analysis.attribution.coalitions import all_coalitions
from headscope.analysis.attribution.masking import units_of
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


def keep_lattice(work: Workspace, target: Target, prompt: int, unit: str, masking: str, values: Float64) -> None:
    """Values float64 `[2^n]` of all coalitions of `chosen_units`, for whoever asks `lattice` in this request."""
    work.games[_key(target, prompt, unit, masking)] = values


def lattice(work: Workspace, target: Target, prompt: int, unit: str, masking: str) -> Float64 | None:
    """Values float64 `[2^n]` of all coalitions of `units_of` that prompt, as `all_coalitions` counts them; None unless
    the request has them computed."""
    return work.games.get(_key(target, prompt, unit, masking))


def _key(target: Target, prompt: int, unit: str, masking: str) -> GameKey:
    return prompt, target.token_id, target.foil_id, target.quantity, unit, masking


def there(units: Sequence[Bools]) -> list[Bools]:
    """Of every coalition the tokens that stay, bool `[T]` each, as `all_coalitions` counts them."""
    members = np.array(units, dtype=np.float32)
    absent = (~all_coalitions(len(units))).astype(np.float32)
    return list(absent @ members == 0)
