"""Which prompts have a right answer."""

from __future__ import annotations

KNOWLEDGE = frozenset({"plain", "distracted", "forward", "reversed"})
GRAMMAR = KNOWLEDGE | {"affirmative", "negative", "congruent", "incongruent", "abba", "baba"}
"""Groups of pairs that are not about people: their targets are right answers, and their contrasts no bias."""
PARAPHRASE = "paraphrase"


def has_answer(target: str | None, group: str | None) -> bool:
    """Whether the target is the right answer: in a pair about groups of people it is not."""
    return target is not None and (group is None or group in GRAMMAR or group.startswith(PARAPHRASE))
