"""A classifier's scores of prompts or of their continuations, from a file, and the prompts they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from headscope.analysis.errors import InputError
from headscope.analysis.types import Prompt
from headscope.datasets.importers.base import KIND, Record, Source
from headscope.datasets.schema import Problems, name_of, shown

COLUMNS = ("id", "score")


def read_scores(path: Path) -> dict[str, tuple[float, ...]]:
    """Prompt id -> its scores, in order; csv, tsv or jsonl with columns `id` and `score`, several rows an id or one.

    Raises InputError naming every row without an id, or whose score is no number from 0 to 1.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file (looked in {Path.cwd()}).", kind=KIND)
    problems = Problems("scores")
    source = Source(path, problems)
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        records = source.jsonl(path, COLUMNS)
    else:
        records = source.csv(path, COLUMNS, numbers=("id",))
    found: dict[str, list[float]] = {}
    for record in records:
        value, name = _number(record, problems), name_of(record.values["id"])
        if not name:
            problems.add(record.where, f", column id: expected the id of a prompt, found {shown(record.values['id'])}.")
        else:
            found.setdefault(name, []).append(value)
    problems.raise_if_any()
    return {name: tuple(values) for name, values in found.items()}


def unknown(prompts: Sequence[Prompt], scores: Mapping[str, object]) -> list[str]:
    """Ids with scores that no prompt has."""
    return sorted(scores.keys() - {prompt.id for prompt in prompts})


def _number(record: Record, problems: Problems) -> float:
    try:
        value = float(record.values["score"])
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= 1:
        problems.add(record.where, f", column score: expected a number from 0 to 1, found {record.values['score']!r}.")
    return value
