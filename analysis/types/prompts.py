"""Prompts and sets of them."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.errors import InputError

BLOCKED = "the content filter blocked this text"
"""How the reason of a blocked prompt begins."""

UNREADABLE = ("blocked", "not_utf8")
"""Kinds of a prompt whose text is not what was given; its run's error is the prompt's `invalid`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One input. `target` and `foil` are continuations exactly as written (usually with a leading space).

    `id` is unique and stable within its prompt set. `group` and `pair_id` tie counterfactual pairs together.
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
