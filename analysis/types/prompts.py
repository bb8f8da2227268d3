"""Prompts and sets of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headscope.analysis.errors import InputError

BLOCKED = "the content filter blocked this text"
"""How the reason of a blocked prompt begins."""

UNREADABLE = ("blocked", "not_utf8")
"""Kinds of a prompt whose text is not what was given; its run's error is the prompt's `invalid`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One input. `target` and `foil` are continuations exactly as written (usually with a leading space).

    `id` is unique and stable within its prompt set. `group` and `pair_id` tie counterfactual pairs together.
    `counterfactual` is the text of the other prompt of a pair, for analyses that compare the two.
    `invalid` holds the reason a row could not be read as text (it becomes a failed run, never a missing one), then
    `text` is the readable rest with the offending bytes escaped.
    """

    id: str
    text: str
    target: str | None = None
    foil: str | None = None
    group: str | None = None
    pair_id: str | None = None
    tags: tuple[str, ...] = ()
    invalid: str | None = None
    counterfactual: str | None = None

    @property
    def invalid_kind(self) -> str:
        """`blocked` or `not_utf8`: why there is no text to run; empty when there is."""
        if self.invalid is None:
            return ""
        return "blocked" if self.invalid.startswith(BLOCKED) else "not_utf8"


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A named, versioned list of prompts; `sha256` is over the canonical JSON lines of its prompts.

    Raises InputError when two prompts have one id: results are kept by id, so one would stand for the other.
    `parts`: of a selection, the sets it takes from, whole. Its prompt `NAME/ID` is the prompt ID of part NAME, and the
    run is stored as one of that set.
    """

    name: str
    version: str
    licence: str
    purpose: str
    sha256: str
    prompts: tuple[Prompt, ...]
    source: str = ""
    warnings: tuple[str, ...] = ()
    parts: tuple[PromptSet, ...] = ()

    def __post_init__(self) -> None:
        first: dict[str, int] = {}
        for number, prompt in enumerate(self.prompts, 1):
            if (before := first.setdefault(prompt.id, number)) != number:
                raise InputError(
                    f"prompts {before} and {number} of {self.name!r} both have the id {prompt.id!r}: "
                    "give every prompt an id of its own.",
                    kind="prompt_file",
                )


def with_partners(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The prompts with their `counterfactual`: as given, or where their `pair_id` stands for exactly two different
    texts, the other one. A prompt that could not be read has no part in it."""
    texts: dict[str, dict[str, None]] = {}
    for prompt in prompts:
        if prompt.pair_id is not None and prompt.invalid is None:
            texts.setdefault(prompt.pair_id, {})[prompt.text] = None
    return tuple(_with_partner(prompt, tuple(texts.get(prompt.pair_id or "", ()))) for prompt in prompts)


def _with_partner(prompt: Prompt, pair: Sequence[str]) -> Prompt:
    if prompt.counterfactual is not None or prompt.invalid is not None or len(pair) != 2:
        return prompt
    return replace(prompt, counterfactual=pair[pair[0] == prompt.text])
