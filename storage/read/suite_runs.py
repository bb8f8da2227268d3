"""Runs as the scores of published sets read them: one reading statement over public tables, so that a store that a
server holds can be asked too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from headscope.analysis.suites.base import SuiteRun

RUN = (
    "r.model, m.dtype, c.content->>'start_token' AS start_token, c.content->>'chat' AS chat, r.prompt_key, r.text, "
    "r.group_name, r.tags"
)
SOURCE = (
    "FROM runs r JOIN run_details d ON d.run_id = r.id JOIN models m ON m.id = r.model_id "
    "JOIN capsules c ON c.id = d.capsule_id"
)
Texts = Mapping[str, str]
"""Prompt id -> its text: the prompts that are asked about, where an experiment may hold others of the same ids."""


@dataclass(frozen=True, slots=True)
class ModelRuns:
    """What one model has for a suite: a run of each prompt, the newest, and how many prompts have only failed ones.

    model: its name, and how it was run where that is not the usual way (dtype, start token, chat template): runs of
    different settings are never mixed.
    """

    model: str
    runs: tuple[SuiteRun, ...]
    failed: int


def statement(experiment: str, tag: str) -> str:
    """The SELECT for every run of an experiment whose prompt has the tag, oldest first. Of the candidates only those
    for the next token are read: an array is row by row, and the last row is behind the last token."""
    last = "(t.n_tokens - 1) * t.n_candidates + 1 : t.n_tokens * t.n_candidates"
    return (
        f"SELECT {RUN}, r.status, r.pair_id, r.target, r.target_rank, "
        "d.explained_token, d.explained_chosen, t.logprobs, t.char_ends, "
        f"t.candidate_tokens[{last}] AS candidates, t.candidate_logprobs[{last}] AS candidate_logprobs "
        f"{SOURCE} LEFT JOIN token_traces t ON t.run_id = r.id {where(experiment, tag)}"
    )


def where(experiment: str, tag: str) -> str:
    """Which runs, and in which order."""
    return f"WHERE r.experiment = {_literal(experiment)} AND {_literal(tag)} = ANY(r.tags) ORDER BY r.id"


def of_table(table: pa.Table, texts: Texts | None = None) -> tuple[ModelRuns, ...]:
    """The rows of `statement`, by model in the order of their names; of `texts`, only those prompts."""
    found: dict[str, dict[str, SuiteRun | None]] = {}
    for row in table.to_pylist():
        if not is_asked(row, texts):
            continue
        prompts = found.setdefault(model_of(row), {})
        if row["logprobs"] is not None:
            prompts[row["prompt_key"]] = _run(row)
        else:
            prompts.setdefault(row["prompt_key"], None)
    return tuple(
        ModelRuns(model, tuple(run for run in runs.values() if run), sum(run is None for run in runs.values()))
        for model, runs in sorted(found.items())
    )


def is_asked(row: Mapping[str, Any], texts: Texts | None) -> bool:
    """Whether a run is of one of the prompts asked about."""
    return texts is None or texts.get(row["prompt_key"]) == row["text"]


def model_of(row: Mapping[str, Any]) -> str:
    """A model's name with the settings it was run with."""
    return label(row["model"], row["dtype"], start_token=row["start_token"] == "true", chat=row["chat"] == "true")


def label(model: str, dtype: str, *, start_token: bool, chat: bool) -> str:
    """How runs of a model with these settings are called.

    >>> label("gpt2", "float32", start_token=False, chat=False), label("gpt2", "bfloat16", start_token=True, chat=False)
    ('gpt2', 'gpt2, bfloat16, start token')
    """
    settings = {dtype: dtype != "float32", "start token": start_token, "chat template": chat}
    return ", ".join([model, *(name for name, is_set in settings.items() if is_set)])


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
