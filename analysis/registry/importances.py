"""What the study of a black box measures."""

from __future__ import annotations

from headscope.analysis.registry.entry import Entry, Registry
from headscope.analysis.registry.methods import METHODS

IMPORTANCES = Registry(
    "measure of importance",
    {
        "perturbation_logprob": Entry(
            "headscope.analysis.blackbox.permutations:Plan",
            "Perturbation, log-probability",
            "Black box: a part's Shapley share of the answer's log-probability, from changed prompts alone.",
        ),
        "perturbation_edit": Entry(
            "headscope.analysis.blackbox.permutations:Plan",
            "Perturbation, edit distance",
            "Black box: how much each part keeps the answer's wording, from changed prompts alone.",
        ),
        "perturbation_embedding": Entry(
            "headscope.analysis.blackbox.permutations:Plan",
            "Perturbation, meaning",
            "Black box: how much each part keeps the answer's meaning, by a sentence encoder.",
        ),
    },
)
"""What the study of a black box measures; not asked for by name."""


def method_entry(name: str) -> Entry | None:
    """What an attribution in the store is called, whether a method of ours or a black box's; None for a stranger."""
    return METHODS.get(name) or IMPORTANCES.get(name)
