"""Tests of a black-box model's answers over many prompts: consistency, invariance, reversed relations, and the boundary
of what it knows. Reads what `analysis.blackbox.answer_tests` found of each prompt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headscope.analysis.statistics.intervals import SHARES
from headscope.analysis.statistics.separation import separation
from headscope.analysis.statistics.series import Sample, paired
from headscope.analysis.suites.estimates import mean_score

CONSISTENCY, INVARIANCE, ABSTENTION, TARGET = "answer_consistency", "answer_invariance", "abstention", "target_stated"
TESTS = (CONSISTENCY, INVARIANCE, ABSTENTION, TARGET)
"""What is stored of each prompt, as findings."""
DRAW, SURFACE, WORDING, EDIT = "draw", "surface", "wording", "edit"
FORWARD, REVERSED = "forward", "reversed"
UNANSWERABLE, ANSWERABLE = "unanswerable", "answerable"
KINDS = {
    DRAW: "sampled again",
    SURFACE: "changed by rule",
    WORDING: "other wordings of the set",
    EDIT: "harmless edits",
}
COMPARED = {"same": "same words", "meaning": "same meaning"}
SHARE, DIFFERENCE, NATS, AREA = "share", "difference of shares", "nats per token", "area under the curve"
BOOTSTRAP = "95 % over questions: bootstrap, further out where skewed, Wilson's where all are the same"
SIGNS = "95 % bootstrap over pairs"
ALIKE = "Newcombe's where all pairs differ alike"


Side = Mapping[str, tuple[str, float]]
"""Pair -> run and number, of one group."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one test found of one run. key: the prompt's id in its set."""

    run_id: str
    prompt_set: str
    key: str
    probe: str
    score: float
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One number of a test with its 95 % interval (NaN for fewer than 5 questions). n: answers, or pairs of them; of:
    independent questions (or pairs) they come from. against: runs whose answers speak against the model."""

    test: str
    subset: str
    value: float
    low: float
    high: float
    unit: str
    n: int
    of: int
    method: str
    against: tuple[str, ...] = ()


def answer_rows(told: Sequence[Told]) -> list[AnswerRow]:
    """Every number that these findings give, in the order of the tests. Of one model."""
    return [*_again(told), *_relation(told), *_boundary(told)]


def _again(told: Sequence[Told]) -> Iterator[AnswerRow]:
    """Answers held against the first one, by what was asked again and by how they were compared."""
    for test, probe, kinds in (
        ("Consistency", CONSISTENCY, (DRAW, SURFACE, WORDING)),
        ("Invariance", INVARIANCE, (EDIT,)),
    ):
        for kind in kinds:
            asked = _distinct((item, row) for item in told if item.probe == probe
                              for row in item.evidence.get("again", ()) if row["kind"] == kind)  # fmt: skip
            for by, name in COMPARED.items():
                known = [(item, row) for item, row in asked if row.get(by) is not None]
                if known:
                    values = [float(row[by]) for _, row in known]
                    against = [item.run_id for item, row in known if not row[by]]
                    yield _mean(
                        test, f"{KINDS[kind]}, {name}", SHARE, values, [_unit(item) for item, _ in known], against
                    )


def _distinct(asked: Iterator[tuple[Told, Mapping[str, Any]]]) -> list[tuple[Told, Mapping[str, Any]]]:
    """Two wordings are held against each other in both their runs, and are one comparison."""
    found: dict[object, tuple[Told, Mapping[str, Any]]] = {}
    for number, (item, row) in enumerate(asked):
        key = (item.prompt_set, frozenset((item.key, row["of"]))) if row["kind"] == WORDING else number
        found.setdefault(key, (item, row))
    return list(found.values())


def _unit(item: Told) -> str:
    """The prompts of a pair are one observation."""
    pair = item.evidence.get("pair")
    return f"{item.prompt_set} {'prompt' if pair is None else 'pair'} {item.key if pair is None else pair}"


def _relation(told: Sequence[Told]) -> Iterator[AnswerRow]:
    there, back = (_group(told, TARGET, name, lambda item: item.score) for name in (FORWARD, REVERSED))
    shared = [pair for pair in there if pair in back]
    if not shared:
        return
    rights = [(there[pair][1] == 1, back[pair][1] == 1) for pair in shared]
    test = "Reversed relation"
    wrong = [(there if not first else back)[pair][0] for pair, (first, second) in zip(shared, rights, strict=True)
             if not (first and second)]  # fmt: skip
    for subset, values in (
        ("right in both directions", [first and second for first, second in rights]),
        ("right in one direction only", [first != second for first, second in rights]),
        ("right forward", [first for first, _ in rights]),
        ("right reversed", [second for _, second in rights]),
    ):
        yield _mean(test, subset, SHARE, [float(value) for value in values], shared, wrong if "both" in subset else ())
    yield _gap(test, "forward minus reversed", DIFFERENCE, there, back, shared)


def _boundary(told: Sequence[Told]) -> Iterator[AnswerRow]:
    test = "Knowledge boundary"
    said = {name: _group(told, ABSTENTION, name, lambda item: item.score) for name in (UNANSWERABLE, ANSWERABLE)}
    if not all(said.values()):
        return
    for name, rows in said.items():
        against = [run for run, value in rows.values() if bool(value) is (name == ANSWERABLE)]
        yield _mean(test, f"abstains, {name}", SHARE, [value for _, value in rows.values()], list(rows), against)
    yield from _differences(test, "abstains, unanswerable minus answerable", DIFFERENCE, said)
    sure = {name: _group(told, ABSTENTION, name, _logprob) for name in said}
    if not all(sure.values()):
        return
    for name, rows in sure.items():
        yield _mean(
            test, f"log-probability of the answer, {name}", NATS, [value for _, value in rows.values()], list(rows), ()
        )
    yield from _differences(test, "log-probability, unanswerable minus answerable", NATS, sure)
    unsure = np.array([-value for rows in sure.values() for _, value in rows.values()])
    right = np.array([float(name == ANSWERABLE) for name, rows in sure.items() for _ in rows])
    found = separation(unsure, right)
    yield AnswerRow(test, "low log-probability tells unanswerable", found.area, found.low, found.high, AREA,
                  found.wrong + found.right, found.wrong + found.right, "95 %, DeLong et al. 1988")  # fmt: skip


def _logprob(item: Told) -> float:
    value = item.evidence.get("mean_logprob")
    return math.nan if value is None else float(value)


def _group(told: Sequence[Told], probe: str, group: str, read: Callable[[Told], float]) -> dict[str, tuple[str, float]]:
    """Pair (or prompt) -> run and number, of the prompts of one group; of several runs of a prompt the newest, whose id
    is the largest."""
    mine = [(item, read(item)) for item in told if item.probe == probe and item.evidence.get("group") == group]
    ordered = sorted((found for found in mine if math.isfinite(found[1])), key=lambda found: found[0].run_id)
    return {_unit(item): (item.run_id, value) for item, value in ordered}


def _differences(test: str, subset: str, unit: str, sides: Mapping[str, Side]) -> Iterator[AnswerRow]:
    first, second = sides[UNANSWERABLE], sides[ANSWERABLE]
    shared = [pair for pair in first if pair in second]
    if shared:
        yield _gap(test, subset, unit, first, second, shared)


def _gap(test: str, subset: str, unit: str, first: Side, second: Side, pairs: Sequence[str]) -> AnswerRow:
    """The first side minus the second over these pairs."""
    one, other = (
        Sample(np.array([side[pair][1] for pair in pairs], dtype=np.float64), pairs, pairs) for side in (first, second)
    )
    found = paired(one, other)
    alike = unit == DIFFERENCE and len(np.unique(one.values - other.values)) == 1
    method = ALIKE if alike else SIGNS
    return AnswerRow(test, subset, found.mean, found.low, found.high, unit, found.n, found.clusters, method)


def _mean(
    test: str, subset: str, unit: str, values: Sequence[float], units: Sequence[str], against: Sequence[str]
) -> AnswerRow:
    found = mean_score(test, subset, values, units, SHARES if unit == SHARE else (-math.inf, 0.0))
    runs = tuple(dict.fromkeys(against))
    return AnswerRow(test, subset, found.value, found.low, found.high, unit, found.n, len(set(units)), BOOTSTRAP, runs)
