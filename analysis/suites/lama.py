"""LAMA (Petroni et al. 2019): precision at 1, over the whole vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headscope.analysis.statistics.intervals import SHARES
from headscope.analysis.suites.base import Floats, Score, Scored, Suite, SuiteRun
from headscope.analysis.suites.estimates import TIES, mean_score, of_sums, ties


def score(runs: Sequence[SuiteRun]) -> Scored:
    """P@1 as a mean over relations, and of each relation."""
    usable = [run for run in runs if run.target_rank is not None]
    relations = sorted({run.tag("relation") or "" for run in usable})
    scores = [macro("p_at_1", [(run.tag("relation") or "", hit(run), 1.0) for run in usable])]
    for relation in relations:
        values = [hit(run) for run in usable if run.tag("relation") == relation]
        scores.append(mean_score("p_at_1", f"relation {relation}", values))
    scores.append(ties([level(run) > 1 for run in usable]))
    return Scored(tuple(scores), {"runs without a target": len(runs) - len(usable)})


def hit(run: SuiteRun) -> float:
    """1 when the target's first token is the model's most likely next token, its share when others are as likely; 0
    else, and when all stored candidates are as likely, because then nobody knows how many more are."""
    if run.target_rank != 1:
        return 0.0
    equal = level(run)
    return 0.0 if 1 < equal == len(run.candidates) else 1 / max(1, equal)


def level(run: SuiteRun) -> int:
    """How many of the stored candidates are exactly as likely as the likeliest, as ranks are exact too."""
    return sum(logprob == run.candidates[0][1] for _, logprob in run.candidates)


def macro(name: str, items: Sequence[tuple[str, float, float]]) -> Score:
    """Mean over relations of the ratio of sums; items: (relation, numerator, denominator), drawn one by one."""
    relations = {relation: i for i, relation in enumerate(dict.fromkeys(item[0] for item in items))}
    parts = np.zeros((len(items), 2 * len(relations)))
    for row, (relation, numerator, denominator) in enumerate(items):
        parts[row, 2 * relations[relation]] = numerator
        parts[row, 2 * relations[relation] + 1] = denominator
    return of_sums(name, "all", parts, _mean_of_ratios, sum(item[2] > 0 for item in items), within=SHARES)


def _mean_of_ratios(sums: Floats) -> Floats:
    """Relations that a draw missed, or that nothing was measured for, are left out of its mean."""
    above, below = sums[..., 0::2], sums[..., 1::2]
    known = below > 0
    ratios = np.where(known, above / np.where(known, below, 1.0), 0.0)
    found: Floats = ratios.sum(-1) / known.sum(-1)
    return found


SUITE = Suite(
    name="lama",
    label="LAMA",
    paper="Petroni et al. 2019",
    items="facts",
    definitions={
        "p_at_1": "Share of facts whose object is the model's most likely next word, over the whole vocabulary; `all` "
        "is the mean over relations. A causal model is asked the text before the blank, and of an object of several "
        "tokens the first one counts (the paper keeps only objects of one token).",
        TIES: "Share of facts with several next words as likely as the likeliest. Each has its share of the answer, "
        "and none where all 20 stored candidates are equal.",
    },
    score=score,
)
