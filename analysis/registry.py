"""Names and where to find what they stand for. Targets are strings, so that pages and the command line can list
names, labels and parameters without importing torch.

Adding an interpretation method, a probe or a backend is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from analysis.interfaces import Param


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


BACKENDS: dict[str, Entry] = {
    "hf_causal": Entry(
        "analysis.backends.hf_causal:HFCausalBackend",
        "Hugging Face causal LM",
        "GPT-2 of every size and other open causal models, run on this machine.",
    ),
}

METHODS: dict[str, Entry] = {
    "saliency": Entry(
        "analysis.methods.saliency:Saliency",
        "Saliency",
        "L2 norm of the gradient at each token's embedding: how sensitive the quantity is, without a sign.",
    ),
    "input_x_gradient": Entry(
        "analysis.methods.input_x_gradient:InputXGradient",
        "Gradient x input",
        "Dot product of gradient and embedding: a first-order, signed estimate of each token's share.",
    ),
    "integrated_gradients": Entry(
        "analysis.methods.integrated_gradients:IntegratedGradients",
        "Integrated gradients",
        "Gradients summed along a path from a baseline: signed, and the scores add up to the change explained.",
    ),
}

PROBES: dict[str, Entry] = {}

MEASUREMENTS: dict[str, str] = {
    "heads": "Attention summaries of every layer and head",
    "layers": "Residual stream and logit lens at the last position, layer by layer",
    "logit_lens": "Logit lens at every layer and position",
    "attention": "The full attention pattern, kept as an artifact",
}
"""Analyses that are not attributions; the token trace is always stored."""


def analysis_names() -> list[str]:
    """Every name `--analyses` accepts besides `all`."""
    return [*MEASUREMENTS, *METHODS, *PROBES]


def parse_analyses(text: str) -> tuple[str, ...]:
    """`all` or a comma-separated list, in registry order.

    Raises UnknownNameError for a name that is not registered.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    valid = analysis_names()
    if "all" in names:
        return tuple(valid)
    for name in names:
        if name not in valid:
            raise UnknownNameError("analysis", name, [*valid, "all"])
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
