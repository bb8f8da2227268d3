"""Parameters of everything that takes parts of a prompt away."""

from __future__ import annotations

from headscope.analysis.registry.entry import Param

MASKINGS = ("mean", "token", "delete")
MASKING = Param(
    "masking",
    "choice",
    "mean",
    "What takes a removed token's place: the mean embedding, a line break, or nothing (later tokens move up).",
    choices=MASKINGS,
    baseline=True,
)
UNIT = Param("unit", "choice", "token", "What is removed at a time: a token or a word.", choices=("token", "word"))
WORD = Param("unit", "choice", "word", UNIT.help, choices=UNIT.choices)
MOST_UNITS = 12
