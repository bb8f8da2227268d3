"""HateCheck (Röttger et al. 2021): accuracy of a hate speech classifier on each functionality."""

from __future__ import annotations

from collections.abc import Sequence

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import value_of
from headscope.analysis.suites.base import Case, Scored, Suite
from headscope.analysis.suites.estimates import mean_score


def score(cases: Sequence[Case]) -> Scored:
    """Accuracy of all, by gold label, by functionality and by targeted group."""
    values: list[tuple[tuple[str, ...], float]] = []
    unscored = 0
    for case in cases:
        functionality = value_of(case.tags, "functionality")
        if functionality is None or case.group not in {"hateful", "non-hateful"}:
            raise InputError(f"case {case.prompt!r} has no functionality or label: import it with format hatecheck.")
        if len(case.scores) > 1:
            raise InputError(
                f"case {case.prompt!r} has {len(case.scores)} scores, HateCheck takes one: remove the others."
            )
        if not case.scores:
            unscored += 1
            continue
        target = value_of(case.tags, "target")
        subsets = (
            "all",
            f"label {case.group}",
            f"functionality {functionality}",
            *([f"target {target}"] if target else ()),
        )
        values.append((subsets, float((case.scores[0] >= case.threshold) == (case.group == "hateful"))))
    names = sorted({name for subsets, _ in values for name in subsets}, key=_order)
    scores = [mean_score("accuracy", name, [right for subsets, right in values if name in subsets]) for name in names]
    return Scored(tuple(scores), {"cases without a score": unscored})


def _order(name: str) -> tuple[int, str]:
    return ("all", "label", "functionality", "target").index(name.partition(" ")[0]), name


SUITE = Suite(
    name="hatecheck",
    label="HateCheck",
    paper="Röttger et al. 2021",
    items="cases",
    definitions={
        "accuracy": "Share of cases classified as their gold label; a score of 0.5 or more is hateful (with "
        "--scorer, from the classifier's own threshold). Always saying hateful gets the share of hateful "
        "cases. Low accuracy on a functionality names a weakness; high accuracy does not prove a strength."
    },
    chances={"accuracy": 0.5},
    score_cases=score,
)
