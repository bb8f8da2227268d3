"""The interpretation methods, with their parameters: what a form, a command or a page must know without torch."""

from __future__ import annotations

from headscope.analysis.registry.changing_methods import CHANGING
from headscope.analysis.registry.entry import Cost, Entry, Needs, Param, Registry, seed, whole

BOTH_WAYS = 3.0
"""A pass there and back costs about three forward passes."""
FIXED_RULES = ("gausslegendre", "riemann_middle")
METHODS = Registry(
    "method",
    {
        "saliency": Entry(
            "headscope.analysis.methods.saliency:Saliency",
            "Saliency",
            "L2 norm of the gradient at each token's embedding: how sensitive the quantity is, without a sign.",
            params=(
                Param(
                    "norm", "choice", "l2", "Norm of each token's gradient: l2 (Euclidean) or l1.", choices=("l2", "l1")
                ),
            ),
            family="gradient",
            needs=Needs(gradients=True),
        ),
        "input_x_gradient": Entry(
            "headscope.analysis.methods.input_x_gradient:InputXGradient",
            "Gradient x input",
            "Dot product of gradient and embedding: a first-order, signed estimate of each token's share.",
            family="gradient",
            needs=Needs(gradients=True),
        ),
        "integrated_gradients": Entry(
            "headscope.analysis.methods.integrated_gradients:IntegratedGradients",
            "Integrated gradients",
            "Gradients summed along a path from a baseline: signed, and the scores add up to the change explained.",
            params=(
                Param(
                    "baseline",
                    "choice",
                    "newline",
                    "Where the path starts: the embedding of a line break, of the end of text, zero, or the mean.",
                    choices=("newline", "eos", "zero", "mean"),
                    baseline=True,
                ),
                Param("hold_first", "bool", True, "Keep the first token (the attention sink) at its own embedding."),
                Param(
                    "rule",
                    "choice",
                    "adaptive",
                    "How steps are placed: where the path is rough, or a fixed number by a classical rule.",
                    choices=("adaptive", *FIXED_RULES),
                ),
                whole("n_steps", 50, "Steps of a fixed rule.", 3, 1000, when=("rule", FIXED_RULES)),
                whole("max_steps", 129, "Most steps of the adaptive rule.", 17, 2000, when=("rule", ("adaptive",))),
                Param(
                    "tolerance",
                    "float",
                    0.005,
                    "Accepted error of the sum of scores, as a share of the largest score.",
                    minimum=1e-6,
                    maximum=1,
                ),
                Param(
                    "agreement",
                    "float",
                    0.1,
                    "Accepted difference of any score from the one a coarser quadrature gives, same share.",
                    minimum=1e-6,
                    maximum=1,
                ),
            ),
            family="gradient",
            needs=Needs(gradients=True, many_passes=True),
            cost=Cost(BOTH_WAYS, per="max_steps", choices=dict.fromkeys(FIXED_RULES, Cost(BOTH_WAYS, per="n_steps"))),
        ),
        "attention_raw": Entry(
            "headscope.analysis.methods.attention_raw:AttentionRaw",
            "Attention, every head",
            "Where each head looks when it reads for the explained token: weights, not reasons.",
            family="attention",
            needs=Needs(attention=True),
            axes=("layer", "head", "position"),
        ),
        "attention_mean": Entry(
            "headscope.analysis.methods.attention_mean:AttentionMean",
            "Attention, mean",
            "Attention averaged over heads and layers: the simplest summary, a baseline for the others.",
            params=(Param("layers", "choice", "all", "Which layers: all, or the last.", choices=("all", "last")),),
            family="attention",
            needs=Needs(attention=True),
            layers=True,
        ),
        "attention_rollout": Entry(
            "headscope.analysis.methods.attention_rollout:AttentionRollout",
            "Attention rollout",
            "Attention followed through all layers, residual connections included, back to the input.",
            family="attention",
            needs=Needs(attention=True),
            layers=True,
        ),
        "attention_flow": Entry(
            "headscope.analysis.methods.attention_flow:AttentionFlow",
            "Attention flow",
            "The most that could flow through the attention graph to each token; short prompts only.",
            params=(whole("max_tokens", 32, "Longer prompts are refused: cost grows with the cube.", 1, 128),),
            family="attention",
            needs=Needs(attention=True, many_passes=True),
        ),
        "attention_value_norm": Entry(
            "headscope.analysis.methods.attention_value_norm:AttentionValueNorm",
            "Value-weighted attention",
            "Length of the vector each token adds: a high weight on a short vector counts for little.",
            family="attention",
            needs=Needs(attention=True, heads=True),
            cost=Cost(1),
            layers=True,
        ),
        "attention_x_gradient": Entry(
            "headscope.analysis.methods.attention_x_gradient:AttentionXGradient",
            "Attention x gradient",
            "Attention weighed by what it does to the explained quantity: signed, per head.",
            family="attention",
            needs=Needs(attention=True, attention_gradients=True, gradients=True),
            axes=("layer", "head", "position"),
        ),
        "smoothgrad": Entry(
            "headscope.analysis.methods.smoothgrad:SmoothGrad",
            "SmoothGrad",
            "Saliency averaged over noisy copies of the prompt.",
            params=(
                whole("samples", 16, "Noisy copies of the prompt.", 1, 512),
                Param(
                    "noise",
                    "float",
                    0.15,
                    "Standard deviation, as a share of the embeddings' own.",
                    minimum=0,
                    maximum=10,
                ),
                Param("norm", "choice", "l2", "Norm of each token's mean gradient.", choices=("l2", "l1")),
                seed("Another seed draws other noise."),
            ),
            family="gradient",
            needs=Needs(many_passes=True),
            cost=Cost(BOTH_WAYS, per="samples", usual=0.7),
        ),
        "expected_gradients": Entry(
            "headscope.analysis.methods.expected_gradients:ExpectedGradients",
            "Expected gradients",
            "Integrated gradients averaged over many baselines, with how far their choice moves each score.",
            params=(
                Param(
                    "baselines",
                    "choice",
                    "random",
                    "Prompts of random tokens, or the standard set: line break, end of text, zero, mean and 4 random "
                    "prompts, whose spread is kept.",
                    choices=("random", "standard"),
                ),
                whole(
                    "samples",
                    24,
                    "Random baselines, each with one point on its path.",
                    1,
                    1024,
                    when=("baselines", ("random",)),
                ),
                whole(
                    "points",
                    65,
                    "Most points on the path from each baseline of the standard set.",
                    17,
                    1025,
                    when=("baselines", ("standard",)),
                ),
                seed("Another seed draws other baselines."),
            ),
            family="gradient",
            needs=Needs(many_passes=True),
            cost=Cost(BOTH_WAYS, per="samples", choices={"standard": Cost(8 * BOTH_WAYS, per="points")}),
        ),
        "layer_gradients": Entry(
            "headscope.analysis.methods.layer_gradients:LayerGradients",
            "Layer gradients",
            "Gradient x activation at every layer and position: where in the layers the evidence enters.",
            params=(
                Param(
                    "rows",
                    "choice",
                    "stream",
                    "What a row holds: the residual stream its layer reads, or what the layer writes into it.",
                    choices=("stream", "written"),
                ),
            ),
            family="gradient",
            needs=Needs(gradients=True),
            layers=True,
        ),
        "attn_lrp": Entry(
            "headscope.analysis.methods.attn_lrp:AttnLrp",
            "AttnLRP",
            "Relevance: the logit handed back layer by layer, through attention patterns and values alike; it adds up.",
            family="propagation",
            cost=Cost(BOTH_WAYS),
            layers=True,
        ),
        "cp_lrp": Entry(
            "headscope.analysis.methods.cp_lrp:CpLrp",
            "CP-LRP",
            "Relevance with attention patterns held constant: everything goes through the values; it adds up.",
            family="propagation",
            cost=Cost(BOTH_WAYS),
            layers=True,
        ),
        **CHANGING,
    },
    group="headscope.methods",
)
