"""The logit lens of two runs at the end of their texts: target and foil after every layer, A, B and A - B.

L is the number of layers; a side without a token, or where it was not measured, is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import LayerSummary, LensTable, Target
from headscope.dashboard.words import plural

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LensSide:
    """One token under the lens of one run: probability and rank (1 = top) after every layer, float64 `[L]`."""

    text: str
    probs: Floats
    ranks: Floats


@dataclass(frozen=True, slots=True)
class LensToken:
    """`role`: target or foil. A side is None where the run has no such token. `apart` says why there is no A - B, ""
    where there is one."""

    role: str
    a: LensSide | None
    b: LensSide | None
    apart: str

    @property
    def prob_difference(self) -> Floats:
        """A - B of the probabilities, float64 `[L]`; empty where there is none."""
        return np.empty(0) if self.a is None or self.b is None or self.apart else self.a.probs - self.b.probs

    @property
    def rank_ratio(self) -> Floats:
        """log10 of rank A over rank B, float64 `[L]`: A - B on the logarithmic scale ranks are drawn on."""
        if self.a is None or self.b is None or self.apart:
            return np.empty(0)
        return np.log10(self.a.ranks) - np.log10(self.b.ranks)


def lens_tokens(a: tuple[LayerSummary, Target | None], b: tuple[LayerSummary, Target | None]) -> tuple[LensToken, ...]:
    """Target and foil, as far as one of the runs has them measured."""
    found = []
    for role in ("target", "foil"):
        side_a, side_b = _side(role, *a), _side(role, *b)
        if side_a is not None or side_b is not None:
            found.append(LensToken(role, side_a, side_b, _apart(role, side_a, side_b)))
    return tuple(found)


def _side(role: str, layers: LayerSummary, target: Target | None) -> LensSide | None:
    text = None if target is None else target.text if role == "target" else target.foil_text
    logprobs, ranks = (
        (layers.lens_target_logprob, layers.lens_target_rank)
        if role == "target"
        else (layers.lens_foil_logprob, layers.lens_foil_rank)
    )
    if text is None or not np.isfinite(logprobs).any():
        return None
    return LensSide(text, np.exp(logprobs.astype(np.float64)), ranks.astype(np.float64))


def _apart(role: str, a: LensSide | None, b: LensSide | None) -> str:
    if a is None or b is None:
        return f"Run {'A' if a is None else 'B'} has no {role}: there is no difference to take."
    if a.text != b.text:
        return f"The runs have another {role} each: there is no difference to take."
    if len(a.probs) != len(b.probs):
        depths = f"A has {plural(len(a.probs), 'layer')} and B {len(b.probs)}"
        return f"{depths}: layer by layer there is no difference to take."
    return ""


def scales(tokens: tuple[LensToken, ...]) -> tuple[float, float]:
    """The largest probability and the largest rank of all sides: where the axes that A, B and A - B share end."""
    sides = [side for token in tokens for side in (token.a, token.b) if side is not None]
    top = max((float(np.nanmax(side.probs)) for side in sides), default=0.0)
    return top, max((float(np.nanmax(side.ranks)) for side in sides if np.isfinite(side.ranks).any()), default=1.0)


def top_tokens(lens: LensTable | None) -> tuple[str, ...]:
    """What the lens reads as next after the whole text, by layer; empty when it was not measured."""
    return () if lens is None else tuple(row[-1] for row in lens.top_texts)
