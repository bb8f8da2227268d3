"""Runs as the scores of published sets read them: one reading statement over public tables, so that a store that a
server holds can be asked too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from headscope.analysis.suites.base import SuiteRun


@dataclass(frozen=True, slots=True)
class ModelRuns:
    """What one model has for a suite: a run of each prompt, the newest, and how many prompts have only failed ones."""

    model: str
    runs: tuple[SuiteRun, ...]
    failed: int


def statement(experiment: str, tag: str) -> str:
    """The SELECT for every run of an experiment whose prompt has the tag, oldest first. Of the candidates only those
    for the next token are read: an array is row by row, and the last row is behind the last token."""
    last = "(t.n_tokens - 1) * t.n_candidates + 1 : t.n_tokens * t.n_candidates"
    return (
        "SELECT r.model, r.status, r.prompt_key, r.group_name, r.pair_id, r.tags, r.target, r.target_rank, "
        "d.explained_token, d.explained_chosen, t.logprobs, t.char_ends, "
        f"t.candidate_tokens[{last}] AS candidates, t.candidate_logprobs[{last}] AS candidate_logprobs "
        "FROM runs r JOIN run_details d ON d.run_id = r.id LEFT JOIN token_traces t ON t.run_id = r.id "
        f"WHERE r.experiment = {_literal(experiment)} AND {_literal(tag)} = ANY(r.tags) ORDER BY r.id"
    )


def of_table(table: pa.Table) -> tuple[ModelRuns, ...]:
    """The rows of `statement`, by model in the order of their names."""
    found: dict[str, dict[str, SuiteRun | None]] = {}
    for row in table.to_pylist():
        prompts = found.setdefault(row["model"], {})
        if row["logprobs"] is not None:
            prompts[row["prompt_key"]] = _run(row)
        else:
            prompts.setdefault(row["prompt_key"], None)
    return tuple(
        ModelRuns(model, tuple(run for run in runs.values() if run), sum(run is None for run in runs.values()))
        for model, runs in sorted(found.items())
    )


def _run(row: Mapping[str, Any]) -> SuiteRun:
    given = row["explained_chosen"] == "given"
    return SuiteRun(
        prompt=row["prompt_key"],
        group=row["group_name"],
        pair=row["pair_id"],
        tags=tuple(row["tags"]),
        logprobs=np.asarray(row["logprobs"], dtype=np.float32),
        char_ends=np.asarray(row["char_ends"], dtype=np.int32),
        target=row["target"],
        target_token=row["explained_token"] if given else None,
        target_rank=row["target_rank"] if given else None,
        candidates=tuple(zip(row["candidates"] or (), row["candidate_logprobs"] or (), strict=True)),
    )


def _literal(text: str) -> str:
    """A text as both databases read it in a statement."""
    return "'" + text.replace("'", "''") + "'"
