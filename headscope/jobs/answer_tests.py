"""What the stored tests of black-box models' answers say, by model."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.blackbox.answer_rows import TESTS, AnswerRow, Told, answer_rows
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunFilter


@dataclass(frozen=True, slots=True)
class Tested:
    """The tests of one model's answers. runs: how many were tested."""

    model: str
    rows: tuple[AnswerRow, ...]
    runs: int


def tested(store: RunReader, where: RunFilter) -> tuple[list[Tested], int, int]:
    """By model; how many findings of the tests were read, and how many there are."""
    samples = [store.finding_sample(where, probe) for probe in TESTS]
    found: dict[str, list[Told]] = {}
    for row in (row for sample in samples for row in sample.rows):
        score = float("nan") if row.score is None else row.score
        told = Told(row.run_id, row.prompt_set or "", row.prompt_key, row.probe, score, row.evidence or {})
        found.setdefault(row.model, []).append(told)
    made = [Tested(model, tuple(answer_rows(told)), len({item.run_id for item in told}))
            for model, told in sorted(found.items())]  # fmt: skip
    return made, sum(len(sample.rows) for sample in samples), sum(sample.total for sample in samples)
