"""Where two models part: the first layer whose states differ by more than rounding makes two runs of one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Float32

TOLERANCES = {"float32": 3e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
"""Relative differences of norms that say nothing, by number format. float32: thirteen times the largest that another
batch size made (2.2e-6: 32 prompts, 30 layers of the embedded model); the others: two steps of the format."""
FEWEST = 0.05
"""The layer named is the first in at least this share of the prompts that differ: one odd rerun names none."""
ATTENTION, MLP = "attention", "MLP"


@dataclass(frozen=True, slots=True)
class StateNorms:
    """Of one run: residual `[layer, position]`, L2 norms of the residual stream after each layer; attention `[layer]`,
    L2 norm of what the attention adds at the last position, NaN where it was not measured."""

    residual: Float32
    attention: Float32


@dataclass(frozen=True, slots=True)
class Parting:
    """layer: the first one that differs, counted from 0; None where no layer does. part: `attention` or `MLP`, the
    sublayer that differs first, "" where that is not known. differing: prompts that differ anywhere; here: those of
    them that part in this layer; n: prompts compared; tolerance: relative. why: why nothing was compared."""

    layer: int | None = None
    part: str = ""
    n_layers: int = 0
    differing: int = 0
    here: int = 0
    n: int = 0
    tolerance: float | None = None
    why: str = ""

    def said(self) -> str:
        """In words."""
        if self.tolerance is None:
            return f"Layers were not compared: {self.why}."
        how = f"norms of the residual stream, relative difference above {self.tolerance:.0e}"
        if self.layer is None:
            return f"No layer's states differ in the {self.n} prompts compared ({how})."
        part = f", first in its {self.part}" if self.part else ""
        return (
            f"States differ from layer {self.layer} of 0 to {self.n_layers - 1} on{part}: "
            f"{self.differing} of {self.n} prompts differ, {self.here} of them from there on ({how})."
        )


UNREAD = Parting(why="nobody read their states")


def parting(pairs: Sequence[tuple[StateNorms, StateNorms]], dtype: str) -> Parting:
    """The first layer in which the two runs of a prompt differ, over many prompts; `dtype`: the number format of both.

    An edit of the embeddings shows in layer 0, one of the final norm or the unembedding in no layer. Runs of different
    shapes (another tokenizer or architecture) are not compared.
    """
    if dtype not in TOLERANCES:
        return Parting(why=f"how far two runs in {dtype} differ by rounding is not known")
    tolerance = TOLERANCES[dtype]
    alike = [(a, b) for a, b in pairs if a.residual.shape == b.residual.shape]
    if not alike:
        why = "the models have other layers or cut the prompts otherwise" if pairs else "no stored run has layers"
        return Parting(why=why)
    differs = [(_apart(a.residual, b.residual) > tolerance).any(axis=1) for a, b in alike]
    first = Counter(int(np.argmax(layers)) for layers in differs if layers.any())
    total, n_layers = first.total(), alike[0][0].residual.shape[0]
    layer = min((at for at, count in first.items() if count >= FEWEST * total), default=None)
    if layer is None:
        return Parting(n_layers=n_layers, n=len(alike), tolerance=tolerance)
    here = [pair for pair, layers in zip(alike, differs, strict=True) if layers.any() and np.argmax(layers) == layer]
    part = _part(here, layer, tolerance)
    return Parting(layer, part, n_layers, total, len(here), len(alike), tolerance)


def _part(pairs: Sequence[tuple[StateNorms, StateNorms]], layer: int, tolerance: float) -> str:
    """Which sublayer differs first, by what most prompts say."""
    moved = np.array([_apart(a.attention[layer], b.attention[layer]) for a, b in pairs])
    known = moved[np.isfinite(moved)]
    if not len(known):
        return ""
    return ATTENTION if np.mean(known > tolerance) > 0.5 else MLP


def _apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """|a - b| over the larger of both; 0 where both are 0."""
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    largest = np.maximum(np.abs(one), np.abs(other))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(largest == 0, 0.0, np.abs(one - other) / largest)
