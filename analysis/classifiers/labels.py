"""What the classifiers of this project say about a text."""

from __future__ import annotations

LABELS = ("toxic", "identity_hate", "insult", "obscene", "threat")
"""`toxic` is the overall judgement; the others say of what kind (the label names of the Jigsaw challenge)."""
EXPERIMENTAL = ("obscene", "threat")
"""Labels with too few judged examples to rely on: shown as such, never used by a filter unless asked for."""
