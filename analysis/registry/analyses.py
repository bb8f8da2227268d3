"""Everything a request may name: measurements, receipts, methods and probes, in this order."""

from __future__ import annotations

from collections.abc import Iterable

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry.classifiers import CLASSIFIERS
from headscope.analysis.registry.entry import Entry
from headscope.analysis.registry.measurements import MEASUREMENTS
from headscope.analysis.registry.methods import METHODS
from headscope.analysis.registry.probes import PROBES
from headscope.analysis.registry.receipts import RECEIPTS

DEFAULT_SET = "standard"
STANDARD = (
    "heads",
    "layers",
    "logit_lens",
    "attention",
    "saliency",
    "input_x_gradient",
    "attn_lrp",
    "occlusion",
    "toxicity",
)
"""The default set: what a prompt shows for about a pass a token. `all` takes every method, and many times as long."""


def analyses() -> dict[str, Entry]:
    """Name -> entry of everything a request may ask for, in registry order."""
    optional = {name: entry for name, entry in MEASUREMENTS.items() if not entry.always}
    return {**optional, "receipts": RECEIPTS, **METHODS, **PROBES}


def analysis(name: str) -> Entry:
    """The entry of that name. Raises UnknownNameError."""
    known = analyses()
    if name not in known:
        raise UnknownNameError("analysis", name, known)
    return known[name]


def scorers() -> dict[str, Entry]:
    """Name -> entry of everything that can score stored texts: classifiers of toxicity, and probes that read texts."""
    return {**CLASSIFIERS, **{name: entry for name, entry in PROBES.items() if entry.texts}}


def find_scorer(name: str) -> Entry:
    """The scorer of that name. Raises UnknownNameError."""
    known = scorers()
    if name not in known:
        raise UnknownNameError("scorer", name, known)
    return known[name]


def needs_pair(names: Iterable[str]) -> bool:
    """Whether one of the analyses reads a prompt's counterfactual."""
    return any(name in METHODS and METHODS[name].needs.pair for name in names)


def parse_analyses(text: str) -> tuple[str, ...]:
    """`all`, `standard`, or a comma-separated list of names (`standard` may be one), in registry order.

    Raises UnknownNameError for a name that is not registered.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    valid = analyses()
    if "all" in names:
        return tuple(valid)
    if DEFAULT_SET in names:
        names = [name for name in names if name != DEFAULT_SET] + list(STANDARD)
    for name in names:
        if name not in valid:
            raise UnknownNameError("analysis", name, [*valid, "all", DEFAULT_SET])
    return tuple(name for name in valid if name in names)
