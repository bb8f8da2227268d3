"""Who does a pronoun refer to? Asked of a causal model by writing each answer behind the sentence (see docs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscope.analysis.prompt_tags import CONTEXT, tag


def values(
    item: str, sentence: str, pronoun: str, candidate: str, written: str, *, group: str, pair_id: str, tags: list[str]
) -> Mapping[str, Any]:
    """One prompt: the sentence and `In this sentence, "PRONOUN" refers to`, not scored, then the candidate, scored.

    candidate: its role, the end of the id and the tag `candidate:`; written: how it stands in the text.
    """
    context = f'{sentence} In this sentence, "{pronoun}" refers to'
    return {
        "id": f"{item}-{candidate}",
        "text": f"{context} {written}",
        "group": group,
        "pair_id": pair_id,
        "tags": [*tags, tag("candidate", candidate), tag(CONTEXT, len(context))],
    }
