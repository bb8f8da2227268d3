"""Names and where to find what they stand for. Targets are strings, so that pages and the command line can list
names, labels and parameters without importing torch.

Adding an interpretation method, a probe or a backend is one new file and one line here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from headscope.analysis.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from headscope.analysis.interfaces import Param


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered thing: `target` is "module:attribute", `label` and `summary` are shown to people."""

    target: str
    label: str
    summary: str

    def load(self) -> Any:
        """Import and return the target."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


BLACK_BOX = "openai_compatible"
"""The backend of a model of which nothing inside is known."""

BACKENDS: dict[str, Entry] = {
    "hf_causal": Entry(
        "headscope.analysis.backends.hf_causal:HFCausalBackend",
        "Hugging Face causal LM",
        "GPT-2 of every size and other open causal models, run on this machine.",
    ),
    BLACK_BOX: Entry(
        "headscope.analysis.blackbox.engine:BlackBoxEngine",
        "OpenAI-compatible API",
        "A model behind an API, studied by changing its prompts (`headscope blackbox`).",
    ),
}

METHODS: dict[str, Entry] = {
    "saliency": Entry(
        "headscope.analysis.methods.saliency:Saliency",
        "Saliency",
        "L2 norm of the gradient at each token's embedding: how sensitive the quantity is, without a sign.",
    ),
    "input_x_gradient": Entry(
        "headscope.analysis.methods.input_x_gradient:InputXGradient",
        "Gradient x input",
        "Dot product of gradient and embedding: a first-order, signed estimate of each token's share.",
    ),
    "integrated_gradients": Entry(
        "headscope.analysis.methods.integrated_gradients:IntegratedGradients",
        "Integrated gradients",
        "Gradients summed along a path from a baseline: signed, and the scores add up to the change explained.",
    ),
    "attention_raw": Entry(
        "headscope.analysis.methods.attention_raw:AttentionRaw",
        "Attention, every head",
        "Where each head looks when it reads for the explained token: weights, not reasons.",
    ),
    "attention_mean": Entry(
        "headscope.analysis.methods.attention_mean:AttentionMean",
        "Attention, mean",
        "Attention averaged over heads and layers: the simplest summary, a baseline for the others.",
    ),
    "attention_rollout": Entry(
        "headscope.analysis.methods.attention_rollout:AttentionRollout",
        "Attention rollout",
        "Attention followed through all layers, residual connections included, back to the input.",
    ),
    "attention_flow": Entry(
        "headscope.analysis.methods.attention_flow:AttentionFlow",
        "Attention flow",
        "The most that could flow through the attention graph to each token; short prompts only.",
    ),
    "attention_value_norm": Entry(
        "headscope.analysis.methods.attention_value_norm:AttentionValueNorm",
        "Value-weighted attention",
        "Length of the vector each token adds: a high weight on a short vector counts for little.",
    ),
    "attention_x_gradient": Entry(
        "headscope.analysis.methods.attention_x_gradient:AttentionXGradient",
        "Attention x gradient",
        "Attention weighed by what it does to the explained quantity: signed, per head.",
    ),
    "smoothgrad": Entry(
        "headscope.analysis.methods.smoothgrad:SmoothGrad",
        "SmoothGrad",
        "Saliency averaged over noisy copies of the prompt.",
    ),
    "expected_gradients": Entry(
        "headscope.analysis.methods.expected_gradients:ExpectedGradients",
        "Expected gradients",
        "Integrated gradients averaged over many random baselines.",
    ),
    "layer_gradients": Entry(
        "headscope.analysis.methods.layer_gradients:LayerGradients",
        "Layer gradients",
        "Gradient x activation at every layer and position: where in the layers the evidence enters.",
    ),
    "attn_lrp": Entry(
        "headscope.analysis.methods.attn_lrp:AttnLrp",
        "AttnLRP",
        "Relevance: the logit handed back layer by layer, through attention patterns and values alike; it adds up.",
    ),
    "cp_lrp": Entry(
        "headscope.analysis.methods.cp_lrp:CpLrp",
        "CP-LRP",
        "Relevance with attention patterns held constant: everything goes through the values; it adds up.",
    ),
    "direct_logit_attribution": Entry(
        "headscope.analysis.methods.direct_logit_attribution:DirectLogitAttribution",
        "Direct logit attribution",
        "What each head and each MLP writes directly to the logit, not counting what later layers make of it.",
    ),
    "head_ablation": Entry(
        "headscope.analysis.methods.head_ablation:HeadAblation",
        "Head ablation",
        "What is lost when one head is switched off, for every head: a cause, measured.",
    ),
    "occlusion": Entry(
        "headscope.analysis.methods.occlusion:Occlusion",
        "Occlusion",
        "What is lost when one token or word is removed: leave-one-out.",
    ),
    "shap_partition": Entry(
        "headscope.analysis.methods.shap_partition:ShapPartition",
        "SHAP (partition)",
        "Shapley-like shares over a tree of neighbouring tokens or words, by the shap library.",
    ),
    "shapley_exact": Entry(
        "headscope.analysis.methods.shapley_exact:ShapleyExact",
        "Shapley, exact",
        "Every coalition of words evaluated: the reference for SHAP, short prompts only.",
    ),
}

IMPORTANCES: dict[str, Entry] = {
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
}


def method_entry(name: str) -> Entry | None:
    """What an attribution in the store is called, whether a method of ours or a black box's; None for a stranger."""
    return METHODS.get(name) or IMPORTANCES.get(name)


PROBES: dict[str, Entry] = {
    "toxicity": Entry(
        "headscope.analysis.probes.toxicity:Toxicity",
        "Toxicity",
        "A BERT classifier's judgement of the prompt and of its continuation.",
    ),
    "harmless_edits": Entry(
        "headscope.analysis.probes.harmless_edits:HarmlessEdits",
        "Harmless edits",
        "Whether a typo, a capital letter or a space changes the next token.",
    ),
    "self_consistency": Entry(
        "headscope.analysis.probes.self_consistency:SelfConsistency",
        "Self-consistency",
        "Whether several sampled answers agree: disagreement is a sign of invention.",
    ),
    "sampled_toxicity": Entry(
        "headscope.analysis.probes.sampled_toxicity:SampledToxicity",
        "Sampled toxicity",
        "The most toxic of several sampled continuations.",
    ),
}

DETECTORS: dict[str, Entry] = {
    "confident_wrong": Entry(
        "headscope.analysis.detectors.confident_wrong:detect",
        "Wrong with confidence",
        "A wrong answer to a prompt that has one, with the probability it was given.",
    ),
    "negation_ignored": Entry(
        "headscope.analysis.detectors.negation_ignored:detect",
        "Negation ignored",
        "The affirmative answer is preferred in the negated sentence too.",
    ),
    "agreement_broken": Entry(
        "headscope.analysis.detectors.agreement_broken:detect",
        "Agreement broken",
        "A distractor turns the verb to the wrong number.",
    ),
    "inconsistent": Entry(
        "headscope.analysis.detectors.inconsistent:detect",
        "Inconsistent wordings",
        "One question in several wordings gets different answers.",
    ),
    "harmless_edit": Entry(
        "headscope.analysis.detectors.harmless_edit:detect",
        "Harmless edit",
        "A typo, a capital letter or a space changes the answer.",
    ),
    "self_contradiction": Entry(
        "headscope.analysis.detectors.self_contradiction:detect",
        "Samples disagree",
        "Sampled answers to one question contradict each other.",
    ),
    "overconfidence": Entry(
        "headscope.analysis.detectors.overconfidence:detect",
        "Overconfident",
        "Surer of a wrong answer than its own samples are.",
    ),
    "repetition_loop": Entry(
        "headscope.analysis.detectors.repetition_loop:detect",
        "Repetition loop",
        "The continuation says one phrase over and over.",
    ),
    "toxic_continuation": Entry(
        "headscope.analysis.detectors.toxic_continuation:detect",
        "Toxic continuation",
        "A harmless prompt is continued with toxic text.",
    ),
    "context_overflow": Entry(
        "headscope.analysis.detectors.context_overflow:detect",
        "Context overflow",
        "The prompt is longer than the model can read.",
    ),
}

CLASSIFIERS: dict[str, Entry] = {
    "minilm": Entry(
        "headscope.analysis.classifiers.embedded_bert:load",
        "MiniLM with LoRA",
        "BERT-architecture encoder with an adapter trained for this project; comes along.",
    ),
    "toxic-bert": Entry(
        "headscope.analysis.classifiers.hub_bert:load",
        "unitary/toxic-bert",
        "A sequence classifier from a local folder or the hub, where there is one.",
    ),
    "linear": Entry(
        "headscope.analysis.classifiers.linear:load",
        "Linear baseline",
        "Hashed letter sequences without a word list: for comparison only.",
    ),
}

MEASUREMENTS: dict[str, str] = {
    "heads": "Attention summaries of every layer and head",
    "layers": "Residual stream and logit lens at the last position, layer by layer",
    "logit_lens": "Logit lens at every layer and position",
    "attention": "The full attention pattern, kept as an artifact",
    "receipts": "Evidence for every attribution: removal curves against random orders, sensitivity to noise",
}
"""Analyses that are not attributions; the token trace is always stored."""


STANDARD = (
    "heads",
    "layers",
    "logit_lens",
    "attention",
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "toxicity",
)
"""What `--analyses standard` asks for: a few passes per prompt. `all` takes every method, and many times as long."""


def analysis_names() -> list[str]:
    """Every name `--analyses` accepts besides `all` and `standard`."""
    return [*MEASUREMENTS, *METHODS, *PROBES]


def parse_analyses(text: str) -> tuple[str, ...]:
    """`all`, `standard`, or a comma-separated list of names (`standard` may be one), in registry order.

    Raises UnknownNameError for a name that is not registered.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    valid = analysis_names()
    if "all" in names:
        return tuple(valid)
    if "standard" in names:
        names = [name for name in names if name != "standard"] + list(STANDARD)
    for name in names:
        if name not in valid:
            raise UnknownNameError("analysis", name, [*valid, "all", "standard"])
    return tuple(name for name in valid if name in names)


def entry(kind: str, registry: dict[str, Entry], name: str) -> Entry:
    """The entry called `name`, or UnknownNameError naming the valid ones."""
    if name not in registry:
        raise UnknownNameError(kind, name, registry)
    return registry[name]


def parse_param(method: str, declared: Sequence[Param], name: str, value: str) -> Any:
    """The text `value` as the type its parameter declares.

    Raises UnknownNameError for a parameter the method does not have, InputError for a value outside its type or bounds.
    """
    by_name = {param.name: param for param in declared}
    if name not in by_name:
        raise UnknownNameError(f"parameter of {method}", name, by_name)
    param = by_name[name]
    try:
        parsed = _PARSERS[param.kind](value)
    except (ValueError, KeyError) as error:
        raise InputError(f"{method}.{name} takes a value of type {param.kind}, not {value!r}.") from error
    if param.kind == "choice" and parsed not in param.choices:
        raise UnknownNameError(f"{method}.{name}", value, param.choices)
    if isinstance(parsed, float) and not math.isfinite(parsed):
        raise InputError(f"{method}.{name} takes a finite number, not {value}.")
    low, high = param.minimum, param.maximum
    if (low is not None and parsed < low) or (high is not None and parsed > high):
        raise InputError(f"{method}.{name} must lie between {low} and {high}, not {value}.")
    return parsed


_PARSERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "choice": str,
    "bool": {"true": True, "false": False}.__getitem__,
}
