"""What to say where surprisals of different tokenizers, or with and without a start token, stand side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headscope.analysis.types import TokenTrace
from headscope.dashboard.pages.compare.facts import behind_api, missing, tokenizers
from headscope.storage.rows import RunDetail

SPACES = (
    "The tokenizers differ. Most put the space before a word into the word's first token, so whether the word before "
    "has ended is charged to the next word (Pimentel and Meister 2024; Oh and Schuler 2024): a difference at a single "
    "word can come from that. Sums over several words hardly suffer."
)


def without_surprisal(runs: Mapping[str, RunDetail]) -> list[str]:
    """Why runs, by their letter, have a surprisal at no token; those with a trace that have one are not named."""
    return [
        missing(name, run, "surprisal") if behind_api(run) else f"Run {name} has a surprisal at none of its tokens."
        for name, run in runs.items()
        if run.trace is not None and not np.isfinite(run.trace.logprobs).any()
    ]


def surprisal_notes(runs: Mapping[str, RunDetail]) -> list[str]:
    """Sentences for runs by their letter; empty where the numbers mean the same."""
    first = next(iter(runs.values()))
    said = [SPACES] if any(tokenizers(first, run) == "different" for run in runs.values()) else []
    return [*said, *start_notes({name: run.trace for name, run in runs.items() if run.trace is not None})]


def start_notes(traces: Mapping[str, TokenTrace]) -> list[str]:
    """A sentence when only some of the texts begin with a start token."""
    started = [name for name, trace in traces.items() if begins_with_start(trace)]
    plain = [name for name in traces if name not in started]
    if not started or not plain:
        return []
    return [
        f"{_listed(started)} {'begins' if len(started) == 1 else 'begin'} with a start token, {_listed(plain)} "
        f"{'does' if len(plain) == 1 else 'do'} not: the first word has a surprisal only where a start token stands "
        "before it, so mean surprisals are over different words and not comparable."
    ]


def begins_with_start(trace: TokenTrace) -> bool:
    """Whether the tokenizer put a token of its own before the text."""
    return len(trace.tokens) > 0 and bool(trace.tokens.special[0]) and not trace.tokens.texts[0]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
