"""Everything a request may name: measurements, receipts, methods and probes, in this order."""

from __future__ import annotations

from collections.abc import Iterable

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry.entry import Cost, Entry, Param, seed
from headscope.analysis.registry.measurements import MEASUREMENTS
from headscope.analysis.registry.methods import METHODS
from headscope.analysis.registry.probes import PROBES
from headscope.analysis.registry.removal import MASKINGS, REPLACEMENT

RECEIPTS = Entry(
    "headscope.analysis.attribution.evidence:attach_receipts",
    "Receipts",
    "Evidence for every attribution: removal against random orders and recency, noise, a second baseline",
    params=(
        Param(
            "unit",
            "choice",
            "auto",
            "What is removed at a time: a token or a word; auto takes tokens where 8 or fewer could be.",
            choices=("auto", "token", "word"),
        ),
        Param(
            "masking",
            "choice",
            "both",
            "What takes a removed unit's place: the mean embedding, a token (replacement), nothing (delete); both: the "
            "last two, one after the other.",
            choices=("both", *MASKINGS),
        ),
        REPLACEMENT,
        Param(
            "random_orders",
            "int",
            12,
            "Random orders to compare with where there are more than 8 units; else all orders are.",
            minimum=9,
            maximum=999,
        ),
        Param("noise", "float", 0.05, "Embedding noise, as a share of their spread.", minimum=1e-6, maximum=1),
        Param("noise_draws", "int", 3, "Draws of noise; methods of many passes get one.", minimum=0, maximum=50),
        Param(
            "second_baseline",
            "choice",
            "cheap",
            "Which methods that have a baseline or masking are asked again under the next: those that take few passes, "
            "all, or none.",
            choices=("cheap", "all", "none"),
        ),
        Param("weight_randomisation", "bool", False, "Also explain the model with random weights."),
        seed("Another seed draws other orders and other noise."),
    ),
    cost=Cost(1.5, per="removal"),
)
"""At least 9 random orders: with fewer, p <= .05 is out of reach for any attribution. Half as many passes again go to
noise and second baselines."""

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
