"""ParaRel (Elazar et al. 2021): is the answer the same however the question is put, and is it right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from headscope.analysis.suites.base import Scored, Suite, SuiteRun, by_key, needed
from headscope.analysis.suites.estimates import TIES, ties
from headscope.analysis.suites.lama import hit, macro


@dataclass(frozen=True, slots=True)
class _Subject:
    """What was asked about one subject of a relation: a prediction for each pattern, the first tokens of its objects,
    and over its prompts how many objects were on top of the vocabulary, and how many could be."""

    relation: str
    hits: float
    asked: int
    predictions: tuple[str | None, ...]
    right: frozenset[str]
    tied: tuple[bool, ...]


def score(runs: Sequence[SuiteRun]) -> Scored:
    """P@1, coverage, accuracy, consistency and consistent accuracy, each a mean over relations."""
    needed(runs, "pararel", ("relation",))
    usable = [run for run in runs if run.target_rank is not None and run.target_token is not None]
    subjects = list(_subjects(usable))
    scores = (
        macro("p_at_1", [(item.relation, item.hits, item.asked) for item in subjects]),
        macro("coverage", [(item.relation, len(_known(item)), len(item.predictions)) for item in subjects]),
        macro("accuracy", [(item.relation, _right(item), len(item.predictions)) for item in subjects]),
        macro("consistency", [(item.relation, *_agreeing(item)) for item in subjects]),
        macro("consistent_accuracy", [(item.relation, *_all_right(item)) for item in subjects]),
        ties(
            [tied for item in subjects for tied in item.tied], [i for i, item in enumerate(subjects) for _ in item.tied]
        ),
    )
    return Scored(scores, {"runs without a target": len(runs) - len(usable)})


def _subjects(runs: Iterable[SuiteRun]) -> Iterable[_Subject]:
    """A subject with several objects is asked each pattern once: the prompts are the same text."""
    for relation, found in by_key(runs, lambda run: run.tag("relation")).items():
        objects = {str(run.target_token) for run in found}
        for asked in by_key(found, lambda run: run.pair).values():
            once = {run.group: predicted(run, objects) for run in asked}
            right = frozenset(str(run.target_token) for run in asked)
            told = tuple(found[0] if len(found) == 1 else None for found in once.values())
            tied = tuple(len(found) > 1 for found in once.values())
            yield _Subject(str(relation), sum(map(hit, asked)), len(asked), told, right, tied)


def predicted(run: SuiteRun, objects: set[str]) -> list[str]:
    """The most likely next tokens that begin an object of the relation: one, several when they are exactly equal, none
    when no stored candidate begins one."""
    known = {token: logprob for token, logprob in run.candidates if token in objects}
    return [token for token, logprob in known.items() if logprob == max(known.values())]


def _known(item: _Subject) -> list[str]:
    return [prediction for prediction in item.predictions if prediction is not None]


def _right(item: _Subject) -> float:
    return float(sum(prediction in item.right for prediction in _known(item)))


def _agreeing(item: _Subject) -> tuple[float, float]:
    """Pairs of patterns with the same prediction, and all pairs; whether two unknown ones agree is unknown."""
    known = _known(item)
    same = sum(n * (n - 1) // 2 for n in Counter(known).values())
    return float(same), float(len(list(combinations(known, 2))))


def _all_right(item: _Subject) -> tuple[float, float]:
    """Whether every pattern's prediction is right, and that it counts."""
    return float(all(prediction in item.right for prediction in item.predictions)), 1.0


SUITE = Suite(
    name="pararel",
    label="ParaRel",
    paper="Elazar et al. 2021",
    items="subjects",
    definitions={
        "p_at_1": "Share of prompts whose object is the most likely next word over the whole vocabulary (first token).",
        "coverage": "Share of prompts with one likeliest object of the relation among the 20 stored next-token "
        "candidates. Where it is low, consistency says little: import whole relations, so their objects are known.",
        "accuracy": "Share of prompts whose prediction is right; the prediction is the most likely object among those "
        "of the relation's imported facts by their first tokens, among the stored candidates; none of them is wrong.",
        "consistency": "Share of pairs of paraphrases of one fact that get the same prediction, right or wrong. n "
        "counts subjects with such a pair; prompts without a prediction are left out.",
        "consistent_accuracy": "Share of subjects for which every paraphrase gets the right prediction. All are means "
        "over relations.",
        TIES: "Share of prompts with several objects as likely as the likeliest: they have no prediction. Taking the "
        "first would make a constant model consistent.",
    },
    score=score,
)
