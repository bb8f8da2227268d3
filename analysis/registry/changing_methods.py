"""The methods that change what a model reads or computes: causal ones, and removal of parts of the prompt."""

from __future__ import annotations

from headscope.analysis.registry.entry import Cost, Entry, Needs, Param, seed, whole
from headscope.analysis.registry.exchange import COMPONENT, DIRECTION
from headscope.analysis.registry.removal import (
    MASKING,
    MOST_UNITS,
    PASSES,
    PLAN,
    REPLACEMENT,
    UNIT,
    WORD,
    most_evaluations,
)


def _sampled(target: str, label: str, summary: str, *params: Param) -> Entry:
    """A method of the shap library: coalitions of units evaluated, at most `max_evals` of them."""
    return Entry(
        target,
        label,
        summary,
        params=(UNIT, MASKING, REPLACEMENT, *params),
        family="perturbation",
        needs=Needs(many_passes=True),
        cost=Cost(1, per="max_evals", coalitions=True),
    )


CHANGING: dict[str, Entry] = {
    "direct_logit_attribution": Entry(
        "headscope.analysis.methods.direct_logit_attribution:DirectLogitAttribution",
        "Direct logit attribution",
        "What each head and each MLP writes directly to the logit, not counting what later layers make of it.",
        family="causal",
        needs=Needs(heads=True),
        cost=Cost(1),
        axes=("layer", "component"),
    ),
    "ov_copying": Entry(
        "headscope.analysis.methods.ov_copying:OVCopying",
        "OV copying",
        "Whether the weights of a head that looks at the answer's token write that token (1) or push it down (-1).",
        family="causal",
        needs=Needs(heads=True),
        cost=Cost(2, per="answer"),  # target and foil
        axes=("layer", "head"),
    ),
    "head_ablation": Entry(
        "headscope.analysis.methods.head_ablation:HeadAblation",
        "Head ablation",
        "What is lost when one head is switched off, for every head: a cause, measured.",
        params=(
            Param(
                "kind",
                "choice",
                "zero",
                "What takes the place of a head's output: zero, its mean, or its output in neutral texts.",
                choices=("zero", "mean", "resample"),
            ),
            Param(
                "mean_over",
                "choice",
                "prompt",
                "Of kind mean: over the positions of the same prompt, or of twelve neutral texts.",
                choices=("prompt", "reference"),
                when=("kind", ("mean",)),
            ),
            whole("draws", 4, "Of kind resample: how many texts, each a round.", 1, 12, when=("kind", ("resample",))),
            seed("Another seed draws other texts.", when=("kind", ("resample",))),
        ),
        family="causal",
        needs=Needs(many_passes=True, heads=True),
        cost=Cost(0.5, per="head", usual=1.2, rounds=("kind", "resample", "draws")),
        axes=("layer", "head"),
    ),
    "co_ablation": Entry(
        "headscope.analysis.methods.co_ablation:CoAblation",
        "Co-ablation",
        "Head ablation with backups counted: which heads matter once those that do the same are gone.",
        params=(
            Param("kind", "choice", "zero", "As of head ablation.", choices=("zero", "mean")),
            whole("seeds", 5, "How many heads are the primaries: those of most effect.", 1, 50),
        ),
        family="causal",
        needs=Needs(many_passes=True, heads=True),
        cost=Cost(1, per="head", usual=1.2),
        axes=("condition", "layer", "head"),
    ),
    "activation_patching": Entry(
        "headscope.analysis.methods.activation_patching:ActivationPatching",
        "Activation patching",
        "Where the difference to the other prompt of the pair lives: one activation exchanged at a time.",
        params=(COMPONENT, DIRECTION),
        family="causal",
        needs=Needs(many_passes=True, pair=True),
        cost=Cost(0.5, per="cell", usual=0.85),
        axes=("layer", "position"),
    ),
    "relp": Entry(
        "headscope.analysis.methods.relp:RelP",
        "RelP",
        "Patching of every head and MLP, estimated in one backward pass with the rules of relevance propagation.",
        params=(
            Param(
                "rules",
                "choice",
                "lrp",
                "Coefficients of the estimate: relevance propagation, or plain gradients (attribution patching).",
                choices=("lrp", "gradient"),
            ),
            Param(
                "measure",
                "bool",
                True,
                "Also patch every head and MLP, and say how well the estimate agrees.",
                aside=True,
            ),
        ),
        family="causal",
        needs=Needs(many_passes=True, heads=True, sublayers=True, pair=True),
        cost=Cost(4, choices={"True": Cost(0.6, per="head")}),
        axes=("layer", "component"),
    ),
    "occlusion": Entry(
        "headscope.analysis.methods.occlusion:Occlusion",
        "Occlusion",
        "What is lost when one token, word or sentence is removed: leave-one-out.",
        params=(UNIT, MASKING, REPLACEMENT, PLAN, PASSES),
        family="perturbation",
        needs=Needs(many_passes=True),
        cost=Cost(1, per="unit", choices={"coarse_to_fine": Cost(1, per="passes", bounded=True)}),
        live=True,
    ),
    "shap_partition": _sampled(
        "headscope.analysis.methods.shap_partition:ShapPartition",
        "SHAP (partition)",
        "Shapley-like shares over a tree of neighbouring tokens, words or sentences, by the shap library.",
        most_evaluations(120, 4),
    ),
    "shap_permutation": _sampled(
        "headscope.analysis.methods.shap_permutation:ShapPermutation",
        "SHAP (permutation)",
        "Shapley values from random orders in which units join and leave, with their sampling error; shap library.",
        most_evaluations(500, 3, "Most evaluations of the model for a prompt; one order of n units takes 2n + 1."),
        seed("Another seed draws other orders."),
    ),
    "shap_kernel": _sampled(
        "headscope.analysis.methods.shap_kernel:ShapKernel",
        "SHAP (kernel)",
        "Shapley values by a weighted regression over sampled coalitions, exact once all are evaluated; shap library.",
        most_evaluations(500, 4),
        seed("Another seed draws other coalitions."),
    ),
    "shapley_exact": Entry(
        "headscope.analysis.methods.shapley_exact:ShapleyExact",
        "Shapley, exact",
        "Every coalition of words (or tokens, sentences) evaluated: the reference for SHAP, short prompts only.",
        params=(
            WORD,
            MASKING,
            REPLACEMENT,
            whole("max_units", MOST_UNITS, "More are refused: each doubles cost.", 1, MOST_UNITS),
        ),
        family="perturbation",
        needs=Needs(many_passes=True),
        cost=Cost(1, per="coalition", usual=0.45),
    ),
}
