"""What the study of a black box measures."""

from __future__ import annotations

from headscope.analysis.registry.entry import Entry, Param, Registry
from headscope.analysis.registry.methods import METHODS

TAKEN_OUT = Param(
    "masking",
    "choice",
    "delete",
    "What takes the place of what is taken out of a prompt: nothing (delete), ___ (substitute), each word's nearest "
    "neighbour in MiniLM's word embeddings (synonym), the other word of a pair in the lists of the bias sets "
    "(counterfactual).",
    choices=("delete", "substitute", "synonym", "counterfactual"),
)

IMPORTANCES = Registry(
    "measure of importance",
    {
        "perturbation_logprob": Entry(
            "headscope.analysis.blackbox.permutations:Plan",
            "Perturbation, log-probability",
            "Black box: a part's Shapley share of the answer's log-probability, from changed prompts alone.",
            params=(TAKEN_OUT,),
        ),
        "perturbation_edit": Entry(
            "headscope.analysis.blackbox.permutations:Plan",
            "Perturbation, edit distance",
            "Black box: how much each part keeps the answer's wording, from changed prompts alone.",
            params=(TAKEN_OUT,),
        ),
        "perturbation_embedding": Entry(
            "headscope.analysis.blackbox.permutations:Plan",
            "Perturbation, meaning",
            "Black box: how much each part keeps the answer's meaning, by a sentence encoder.",
            params=(TAKEN_OUT,),
        ),
    },
)
"""What the study of a black box measures; not asked for by name."""


def method_entry(name: str) -> Entry | None:
    """What an attribution in the store is called, whether a method of ours or a black box's; None for a stranger."""
    return METHODS.get(name) or IMPORTANCES.get(name)
