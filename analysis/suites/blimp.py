"""BLiMP (Warstadt et al. 2020): is the acceptable sentence of a minimal pair the more likely one?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headscope.analysis.prompt_tags import DIFFERENT_START
from headscope.analysis.suites.base import (
    InPrint,
    Score,
    Scored,
    Suite,
    SuiteRun,
    by_key,
    needed,
    preference,
    total,
)
from headscope.analysis.suites.blimp_in_print import GPT2_LARGE
from headscope.analysis.suites.estimates import TIES, mean_score, ties

ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True)
class _Pair:
    """right: 1 when the acceptable sentence is the more likely, 0.5 for a tie."""

    paradigm: str
    field: str
    term: str
    right: float


def score(runs: Sequence[SuiteRun]) -> Scored:
    """Accuracy of all, by field, by linguistic term (means over paradigms) and of each paradigm."""
    needed(runs, "blimp", ("UID", "field", "term"))
    pairs: list[_Pair] = []
    incomplete = unseen = 0
    for sides in by_key(runs, lambda run: run.pair).values():
        values = {run.group: total(run) for run in sides}
        right = preference(values.get("good", math.nan), values.get("bad", math.nan))
        if math.isnan(right):
            incomplete += 1
            continue
        unseen += _first_unseen(sides)
        paradigm, field, term = (str(sides[0].tag(key)) for key in ("UID", "field", "term"))
        pairs.append(_Pair(paradigm, field, term, right))
    scores = [_macro("all", pairs)]
    scores += [_macro(f"field {name}", found) for name, found in sorted(by_key_of(pairs, "field").items())]
    scores += [_macro(f"term {name}", found) for name, found in sorted(by_key_of(pairs, "term").items())]
    for name, found in sorted(by_key_of(pairs, "paradigm").items()):
        one = mean_score(ACCURACY, f"UID {name}", [pair.right for pair in found])
        scores.append(replace(one, printed=_printed([name])))
    scores.append(ties([pair.right == 0.5 for pair in pairs]))
    left_out = {
        "pairs without both sentences measured": incomplete,
        "first words of pairs that differ there, to which the model gave no probability: the rest is compared": unseen,
    }
    return Scored(tuple(scores), left_out)


def by_key_of(pairs: Sequence[_Pair], key: str) -> dict[str, list[_Pair]]:
    """Pairs by one of their texts."""
    groups: dict[str, list[_Pair]] = {}
    for pair in pairs:
        groups.setdefault(getattr(pair, key), []).append(pair)
    return groups


def _macro(subset: str, pairs: Sequence[_Pair]) -> Score:
    """The mean of paradigms' accuracies; n counts pairs, and intervals draw paradigms, each made from one grammar."""
    paradigms = by_key_of(pairs, "paradigm")
    shares = [float(np.mean([pair.right for pair in found])) for found in paradigms.values()]
    return replace(mean_score(ACCURACY, subset, shares), n=len(pairs), printed=_printed(paradigms))


def _printed(paradigms: Iterable[str]) -> float:
    """The published mean over the same paradigms; NaN where one of them is not among the published."""
    values = [GPT2_LARGE.get(name, math.nan) for name in paradigms]
    return float(np.mean(values)) if values else math.nan


def _first_unseen(sides: Sequence[SuiteRun]) -> bool:
    """Whether the sentences differ in a first word that the model gave no probability, so that the rest decides."""
    return DIFFERENT_START in sides[0].tags and any(run.char_ends[0] > 0 for run in sides)


SUITE = Suite(
    name="blimp",
    label="BLiMP",
    paper="Warstadt et al. 2020",
    items="pairs",
    definitions={
        ACCURACY: "Share of pairs whose acceptable sentence has the higher log-likelihood, summed over its tokens. "
        "`all`, fields and terms are means over paradigms (UID), as in the paper; their intervals draw paradigms.",
        TIES: "Share of pairs whose sentences are equally likely (to 0.0001 nats), as a few published pairs are the "
        "same sentence twice. Each counts half.",
    },
    score=score,
    chances={ACCURACY: 0.5},
    in_print=InPrint(
        "GPT-2 large (774M)",
        "the same paradigms in the authors' models_summary.jsonl (all 67: 0.830, where the paper prints 0.815)",
        "a larger model, by the authors' own program; ties and first tokens are not explained (see --start-token)",
    ),
)
