"""What the shap library's explainers ask of a game: each coalition evaluated once, whatever order they ask in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.types import Params


class Evaluations:
    """The model function that an explainer is given. Its length is how many different coalitions were asked for."""

    def __init__(self, game: UnitGame) -> None:
        self._game, self._kept = game, game.kept_values()
        self._known: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, rows: Any) -> Float64:
        """Values float64 `[N]` of rows `[N, unit]` of 0 and 1. What is new in a question shares passes; what the
        request's receipts have evaluated already is read from there."""
        present = np.asarray(rows) > 0
        keys = [row.tobytes() for row in present]
        new = {key: row for key, row in zip(keys, present, strict=True) if key not in self._known}
        if new:
            asked = np.array(list(new.values()))
            bits = 1 << np.arange(len(self._game.units))
            values = self._game.values(asked) if self._kept is None else self._kept[asked @ bits]
            self._known.update(zip(new, values.tolist(), strict=True))
        return np.array([self._known[key] for key in keys])

    def ends(self) -> tuple[float, float]:
        """The values with every unit and with none."""
        nothing, everything = self(np.array([[0], [1]]).repeat(len(self._game.units), axis=1)).tolist()
        return everything, nothing


def seed_of(game: UnitGame, seed: int) -> int:
    """A seed for numpy of one prompt, the same whatever batch it sits in."""
    return int(generator_of(game.work.texts[game.prompt], seed).initial_seed() % 2**32)


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Inside the block numpy's global generator, which shap draws from, begins at `seed`; then it is as before."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def too_few(least: int, needed: str, settings: Params) -> str:
    """Why a prompt is refused whose units take `least` evaluations, `needed` in words; empty where they are allowed."""
    if settings["max_evals"] >= least:
        return ""
    larger = "" if settings["unit"] == "sentence" else ", or take larger units (unit)"
    return f"{needed}, and max_evals allows {settings['max_evals']}: raise it{larger}"
