"""Words of near meaning by the word embeddings of all-MiniLM-L6-v2, which its wheel brings."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.models import minilm

LETTERS = 3
"""Fewest letters of a neighbour: shorter entries of the vocabulary are mostly abbreviations."""
STEM = 3
"""Words alike in so many first letters are forms of one word, not another one."""
Float32 = NDArray[np.float32]


def neighbours(words: Collection[str]) -> dict[str, str] | None:
    """Of each word (small letters) that is one entry of the encoder's vocabulary the nearest other one, by cosine of
    their embeddings: entries of at least LETTERS letters, no forms of the same word. None without the encoder.

    Near is not always alike in meaning: an opposite, or another member of the same kind, stands in like places.
    """
    found = _table()
    if found is None:
        return None
    index, vectors = found
    names = list(index)
    nearest = {}
    for word in sorted(set(words) & index.keys()):
        near = vectors @ vectors[index[word]]
        order = np.argsort(-near, kind="stable")
        nearest[word] = next(names[i] for i in order if _another(word, names[i]))
    return nearest


def _another(word: str, other: str) -> bool:
    stem = min(STEM, len(word), len(other))
    return len(other) >= LETTERS and other[:stem] != word[:stem] and not (other in word or word in other)


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, int], Float32] | None:
    """Words and their unit vectors `[word, 384]`; kept, because reading them takes half a second."""
    folder = minilm.folder()
    if folder is None:
        return None
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    words = {word: at for word, at in vocabulary.items() if word.isascii() and word.isalpha()}
    vectors = _embeddings(folder)[list(words.values())]
    unit: Float32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return {word: row for row, word in enumerate(words)}, unit


def _embeddings(folder: Path) -> Float32:
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    (name,) = [name for name in tensors if name.endswith("word_embeddings.weight")]
    found: Float32 = tensors[name].astype(np.float32)
    return found
