"""When a comparison of two experiments counts as a regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headscope.analysis.errors import InputError
from headscope.analysis.statistics.regression import MEASURES, Comparison

LEVEL = 0.05
COUNTED = ("flips", "failed")
RULES = (*MEASURES, "detectors", "bias", *COUNTED)
DEFAULT = ("accuracy", "target", "toxicity", "detectors", "bias", "failed")


@dataclass(frozen=True, slots=True)
class Rule:
    """allowed: how much worse is put up with, in the measure's unit, or how many prompts for `flips` and `failed`."""

    name: str
    allowed: float = 0.0


def parse(text: str) -> tuple[Rule, ...]:
    """Rules like `accuracy:0.02,bias,flips:5`; raises InputError saying what there is."""
    found = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, _, amount = part.partition(":")
        try:
            allowed = float(amount or 0)
        except ValueError:
            allowed = math.nan
        if name not in RULES or not 0 <= allowed < math.inf:
            raise InputError(
                f"--fail-on does not know {part!r}. It takes names, each with how much is allowed if you like "
                f"(accuracy:0.02,flips:5): {', '.join(RULES)}."
            )
        found.append(Rule(name, allowed))
    if not found:
        raise InputError(f"--fail-on needs at least one of {', '.join(RULES)}.")
    return tuple(found)


def broken(rules: Sequence[Rule], found: Comparison, level: float = LEVEL) -> list[str]:
    """What fails, in words. A measured change fails when it is worse than allowed and its adjusted p is under
    `level`."""
    said = []
    for rule in rules:
        if rule.name in COUNTED:
            number = len(found.failed if rule.name == "failed" else found.broken)
            if number > rule.allowed:
                said.append(f"{rule.name}: {number} prompts, {rule.allowed:g} allowed")
            continue
        for row in found.changes:
            if row.name == rule.name and row.worse > rule.allowed and row.adjusted_p < level:
                what = f"{row.name} ({row.part})" if row.part else row.name
                said.append(f"{what}: {row.baseline:.3g} to {row.candidate:.3g}, adjusted p {row.adjusted_p:.2g}")
    return said


def unmeasured(rules: Sequence[Rule], found: Comparison) -> list[str]:
    """Rules that were asked for and have nothing to look at."""
    have = {row.name for row in found.changes} | set(COUNTED)
    return [rule.name for rule in rules if rule.name not in have]
