"""What the logit lens reads at every position, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import LensTable, TokenTrace
from headscope.dashboard.text import short
from headscope.dashboard.units import in_bits


@dataclass(frozen=True, slots=True)
class LensView:
    """`[layer][position]`: the top candidate for the token that follows the position, its probability, the entropy of
    the lens distribution (bits), and whether the candidate is already the one the last layer ends with.

    positions: labels of the tokens. decided `[position]`: first layer from which the final candidate stays on top.
    """

    positions: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    probs: NDArray[np.float64]
    entropies: NDArray[np.float64]
    final: NDArray[np.bool_]
    decided: tuple[int, ...]


def lens_view(lens: LensTable, trace: TokenTrace) -> LensView:
    """The numbers of the lens table."""
    final = lens.top_ids == lens.top_ids[-1]
    stays = np.flip(np.logical_and.accumulate(np.flip(final, 0), axis=0), 0)
    return LensView(
        positions=tuple(short(text) for text in trace.tokens.texts),
        texts=lens.top_texts,
        probs=lens.top_probs.astype(np.float64),
        entropies=in_bits(lens.entropies.astype(np.float64)),
        final=final,
        decided=tuple(int(layer) for layer in stays.argmax(axis=0)),
    )
