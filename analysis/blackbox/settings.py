"""How a prompt of a model behind an API is studied, and who is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headscope.analysis.blackbox.answers import Answer, Question


@dataclass(frozen=True, slots=True)
class Settings:
    """unit: `auto` (words, of long prompts only where it matters), or a kind of part. masking: what takes a
    part's place (`substitutes.stand_ins`).

    permutations: most orders per prompt. early: fewer, once it is settled which parts are the largest. edits: ask
    harmless edits. forced: where the target is not among the tokens told, ask once more with its token forced
    (`forced.Forced`). samples: answers drawn at `sample_temperature` to see whether they agree, 0 for none. tests: test
    the answers (`answer_tests`) instead of taking parts out.
    """

    unit: str = "auto"
    masking: str = "delete"
    permutations: int = 16
    early: bool = True
    edits: bool = True
    samples: int = 5
    sample_temperature: float = 1.0
    max_tokens: int = 8
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    tests: bool = False
    forced: bool = False


class Asker(Protocol):
    """Whoever answers: the client, or anything that can be asked the same way."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in order."""


def question(text: str, settings: Settings, about: str | None = None) -> Question:
    """The prompt as it is asked. about: the target."""
    return Question(text, settings.max_tokens, settings.temperature, settings.top_p, settings.seed, about or "")
