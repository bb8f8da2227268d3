"""How far apart two answers are: by their letters, and by what a sentence encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

Float64 = NDArray[np.float64]


def edit_distances(texts: Sequence[str], reference: str) -> Float64:
    """Levenshtein distance over the length of the longer text, float64 `[text]`: 0 equal, 1 nothing in common."""
    return np.array([Levenshtein.normalized_distance(text, reference) for text in texts])


def embedding_distances(texts: Sequence[str], reference: str) -> Float64:
    """1 - cosine of MiniLM's mean-pooled sentence embeddings, float64 `[text]`: 0 equal in meaning, about 1 unrelated.

    NaN where the encoder is not installed or a text is blank: it has no meaning to compare.
    """
    from headscope.analysis.models.sentence_vectors import embed

    distinct = list(dict.fromkeys([reference, *texts]))
    vectors = embed(distinct)
    if vectors is None:
        return np.full(len(texts), np.nan)
    at = {text: i for i, text in enumerate(distinct)}
    blank = np.array([not text.strip() or not reference.strip() for text in texts], dtype=np.bool_)
    found = 1 - vectors[[at[text] for text in texts]] @ vectors[0]
    return np.where(blank, np.nan, np.clip(found, 0, 2))
