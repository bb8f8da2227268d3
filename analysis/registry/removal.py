"""Parameters of everything that takes parts of a prompt away."""

from __future__ import annotations

from headscope.analysis.registry.entry import UNITS, Param, whole

MASKINGS = ("mean", "token", "delete")
MASKING = Param(
    "masking",
    "choice",
    "mean",
    "What takes a removed token's place: the mean embedding, a token (replacement), or nothing (later tokens move up).",
    choices=MASKINGS,
    baseline=True,
)
LINE_BREAK = "\n"
REPLACEMENT = Param(
    "replacement",
    "text",
    LINE_BREAK,
    "What masking `token` puts in place of a removed token: a line break, or any text that is one token of the model.",
    maximum=64,
    when=("masking", ("token",)),
)
UNIT = Param("unit", "choice", "token", "What is removed at a time: a token, a word or a sentence.", choices=UNITS)
WORD = Param("unit", "choice", "word", UNIT.help, choices=UNITS)
PLAN = Param(
    "plan",
    "choice",
    "each",
    "Remove each unit in turn, or coarse_to_fine: sentences, then words of those that matter most, then tokens.",
    choices=("each", "coarse_to_fine"),
)
PASSES = whole("passes", 64, "Most removals of coarse_to_fine.", 1, 100_000, when=("plan", ("coarse_to_fine",)))
MOST_UNITS = 12


def most_evaluations(usual: int, minimum: int, what: str = "Most evaluations of the model for a prompt.") -> Param:
    """The parameter `max_evals` of a method that asks for coalitions."""
    return whole("max_evals", usual, what, minimum, 10_000)
