"""Texts that somebody judged."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.types import Float32


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """texts, where each comes from (`source`), and its labels float32 `[text, label]`, NaN where nobody judged."""

    texts: tuple[str, ...]
    sources: tuple[str, ...]
    labels: Float32
