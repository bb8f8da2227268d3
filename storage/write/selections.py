"""A selection of prompts from several sets is stored as runs of those sets, under their own prompt ids."""

from __future__ import annotations

from collections.abc import Sequence

from headscope.analysis.types import Prompt, PromptSet


def split(prompt_set: PromptSet, prompts: Sequence[Prompt]) -> list[tuple[PromptSet, dict[int, Prompt]]]:
    """Each set that these prompts are of, with its own form of them by their place in `prompts`; a set that is no
    selection is its own."""
    if not prompt_set.parts:
        return [(prompt_set, dict(enumerate(prompts)))]
    found = []
    for part in prompt_set.parts:
        own = {f"{part.name}/{prompt.id}": prompt for prompt in part.prompts}
        if mine := {place: own[prompt.id] for place, prompt in enumerate(prompts) if prompt.id in own}:
            found.append((part, mine))
    return found
