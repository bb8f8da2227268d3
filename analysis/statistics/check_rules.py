"""When a comparison of two experiments counts as a regression."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headscope.analysis.counts import plural
from headscope.analysis.errors import InputError
from headscope.analysis.statistics.effects import Effect
from headscope.analysis.statistics.intervals import FEWEST
from headscope.analysis.statistics.regression import MEASURES, Comparison

LEVEL = 0.05
COUNTED = ("flips", "failed", "states")
RULES = (*MEASURES, "detectors", "bias", *COUNTED)
DEFAULT = ("accuracy", "target", "toxicity", "detectors", "bias", "failed")


@dataclass(frozen=True, slots=True)
class Rule:
    """allowed: how much worse is put up with, in the measure's unit, or how many prompts for those `COUNTED`."""

    name: str
    allowed: float = 0.0


def parse(text: str, known: Sequence[str] = RULES, most: float = math.inf) -> tuple[Rule, ...]:
    """Rules like `accuracy:0.02,bias,flips:5`, of those known; raises InputError saying what there is."""
    found = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, _, amount = part.partition(":")
        try:
            allowed = float(amount or 0)
        except ValueError:
            allowed = math.nan
        if name not in known or not (0 <= allowed <= most and allowed < math.inf):
            raise InputError(
                f"--fail-on does not know {part!r}. It takes names, each with how much is allowed if you like "
                f"({known[0]}:0.02,{known[-1]}): {', '.join(known)}."
            )
        found.append(Rule(name, allowed))
    if not found:
        raise InputError(f"--fail-on needs at least one of {', '.join(known)}.")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a rule, or of one of its parts. failed: None where nothing was measured, or on too few
    prompts for a test; said: in words."""

    name: str
    part: str
    failed: bool | None
    said: str


def verdicts(rules: Sequence[Rule], found: Comparison, level: float = LEVEL) -> list[Verdict]:
    """Every rule asked for, each detector and contrast of it by itself. A measured change fails when it is worse than
    allowed and its adjusted p is under `level`."""
    return [verdict for rule in rules for verdict in _verdicts(rule, found, level)]


def _verdicts(rule: Rule, found: Comparison, level: float) -> Iterator[Verdict]:
    if rule.name in COUNTED:
        yield _counted(rule, found)
        return
    rows = [row for row in found.changes if row.name == rule.name]
    for row in rows:
        what = f"{row.name} ({row.part})" if row.part else row.name
        said = f"{what}: {row.baseline:.3g} to {row.candidate:.3g}, "
        if math.isnan(row.adjusted_p):
            yield Verdict(row.name, row.part, None, said + too_few(row.effect))
        else:
            failed = row.worse > rule.allowed and row.adjusted_p < level
            yield Verdict(row.name, row.part, failed, f"{said}adjusted p {row.adjusted_p:.2g}")
    if not rows:
        yield Verdict(rule.name, "", None, f"{rule.name}: not measured in both experiments")


def too_few(effect: Effect) -> str:
    """Why an effect has no p."""
    groups = plural(effect.groups, "independent group")
    return f"too few for a test ({plural(effect.n, 'prompt')} in {groups}, {FEWEST} are needed)"


def _counted(rule: Rule, found: Comparison) -> Verdict:
    if rule.name == "states" and found.states.tolerance is None:
        return Verdict(rule.name, "", None, f"states: {found.states.said()}")
    counts = {"failed": len(found.failed), "flips": len(found.broken), "states": found.states.differing}
    number, where = counts[rule.name], ""
    if rule.name == "states" and found.states.layer is not None:
        where = f", from layer {found.states.layer} on"
    said = f"{rule.name}: {plural(number, 'prompt')}{where}, {rule.allowed:g} allowed"
    return Verdict(rule.name, "", number > rule.allowed, said)


def broken(rules: Sequence[Rule], found: Comparison, level: float = LEVEL) -> list[str]:
    """What fails, in words."""
    return [verdict.said for verdict in verdicts(rules, found, level) if verdict.failed]


def unmeasured(rules: Sequence[Rule], found: Comparison) -> list[str]:
    """Rules that were asked for and have nothing to look at."""
    have = {row.name for row in found.changes} | set(COUNTED)
    if found.states.tolerance is None:
        have.remove("states")
    return [rule.name for rule in rules if rule.name not in have]
