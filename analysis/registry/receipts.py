"""Receipts: their parameters, and how often they ask a method again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from headscope.analysis.registry.entry import Cost, Entry, Needs, Param, seed, whole
from headscope.analysis.registry.removal import MASKINGS, REPLACEMENT

CHEAP = 256
"""Forward passes over a prompt of 32 tokens and 8 words: a method that takes more is not asked from a second baseline
unless the request wants it."""
_NOMINAL = {"token": 32, "word": 8, "sentence": 1, "head": 512, "cell": 1024}
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
        replace(REPLACEMENT, when=("masking", ("token", "both"))),
        whole(
            "random_orders",
            12,
            "Random orders to compare with where there are more than 8 units; else all orders are.",
            9,
            999,
        ),
        Param("noise", "float", 0.05, "Embedding noise, as a share of their spread.", minimum=1e-6, maximum=1),
        whole("noise_draws", 3, "Draws of noise; methods of many passes get one.", 0, 50),
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
    cost=Cost(1, per="removal"),
)
"""At least 9 random orders: with fewer, p <= .05 is out of reach for any attribution. What methods cost that are asked
again is counted in `running.preflight`."""


HELPS = {"head_ablation": 1, "co_ablation": 1, "direct_logit_attribution": 1, "relp": -1}
"""Methods that score what each head does for the quantity, whose receipts remove heads, and the sign of heads that help
it: RelP says what the partner's activation would do instead."""
_SETS = 8
"""Of heads that are removed, for each order."""


def head_removals(names: Collection[str], settings: Mapping[str, Any]) -> int:
    """Forward passes without some heads, at most: for each of these methods, and for the random orders and "last layer
    first", once under zero and once under the mean."""
    tested, drawn = len(HELPS.keys() & set(names)), int(settings["random_orders"])
    return _SETS * (min(2, tested) * (drawn + 1) + tested)


def noise_draws(needs: Needs, settings: Mapping[str, Any]) -> int:
    """How often receipts with these parameters ask a method for noisy embeddings."""
    wanted: int = settings["noise_draws"]
    return min(1, wanted) if needs.many_passes else wanted


def scores_only(entry: Entry | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with which receipts ask a method again."""
    aside = {param.name: False for param in (() if entry is None else entry.params) if param.aside}
    return {**params, **aside}


def other_baseline(entry: Entry | None, params: Mapping[str, Any], which: str) -> Param | None:
    """The parameter whose next choice receipts ask the method for once more, None where they do not. which: `cheap`,
    `all` or `none`."""
    param = None if entry is None else next((param for param in entry.params if param.baseline), None)
    if entry is None or which == "none" or (which == "cheap" and entry.cost.forwards(params, _NOMINAL) > CHEAP):
        return None
    return param
