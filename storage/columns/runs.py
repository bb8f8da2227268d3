"""Columns of `runs` and its small tables from a RunResult. No SQL here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from headscope.analysis.types import MissingPart, Prompt, RunResult, RunStatus
from headscope.storage.columns import arrays
from headscope.storage.columns.values import number
from headscope.storage.ids import new_id
from headscope.storage.rows import ArtifactRow
from headscope.storage.sql import bulk
from headscope.storage.sql.folding import fold

METHOD = "method"
"""The kind of a failure that is one method's; its reason is the attribution's as well."""


def search_text(text: str, target: str | None, error: str | None, key: str) -> str:
    """What the search field looks in: text, target, error and prompt key, folded."""
    return fold(bulk.storable("\n".join(part for part in (text, target, error, key) if part)))


def prompt_columns(result: RunResult) -> dict[str, Any]:
    """What the prompt says, and the text the search field looks in."""
    prompt = result.prompt
    return {
        "text": prompt.text,
        "target": prompt.target,
        "foil": prompt.foil,
        "tags": list(prompt.tags),
        "pair_id": prompt.pair_id,
        "group_name": prompt.group,
        "search_text": search_text(prompt.text, prompt.target, result.error, prompt.id),
    }


def copied_columns(source: Mapping[str, Any], prompt: Prompt) -> dict[str, Any]:
    """What a copy of run `source` for another prompt with the same text does not take from it."""
    return {
        "tags": list(prompt.tags),
        "pair_id": prompt.pair_id,
        "group_name": prompt.group,
        "copied_from": source["id"],
        "search_text": search_text(source["text"], source["target"], source["error"], prompt.id),
    }


def measured_columns(result: RunResult) -> dict[str, Any]:
    """Status, headline numbers (nats) and the explained target; only a given target has a `target_logprob`."""
    row: dict[str, Any] = {
        "status": result.status.value,
        "result_key": result.result_key,
        "seconds": number(result.seconds),
        "error": result.error,
        "error_kind": result.error_kind,
        "continuation": None if result.continuation is None else result.continuation.text,
    }
    if (trace := result.trace) is not None:
        after_first = trace.logprobs[1:].astype(np.float64)
        surprisal = -float(after_first.mean()) if len(after_first) else math.nan  # of all tokens, or not at all
        last = trace.topk_logprobs[-1] if trace.topk_logprobs.size else np.empty(0)
        predicted = bool(last.size) and not math.isnan(last[0])
        row |= {
            "n_tokens": len(trace.tokens),
            "mean_surprisal": number(surprisal),
            "perplexity": number(float(np.exp(surprisal))),
            "next_token": trace.topk_texts[-1][0] if predicted else None,
            "next_token_prob": number(float(np.exp(last[0]))) if predicted else None,
            "next_entropy": number(trace.next_entropy),
        }
    if (target := result.target) is not None and target.chosen == "given":
        row |= {
            "target_logprob": number(target.logprob),
            "target_rank": target.rank if target.rank > 0 else None,
            "margin": number(target.logprob - target.foil_logprob),
        }
    return row | arrays.target_columns(result.target)


def artifact_row(run_id: UUID, file: ArtifactRow, moment: datetime) -> dict[str, Any]:
    """A row of `artifacts`."""
    return {
        "id": new_id(),
        "run_id": run_id,
        "kind": file.kind,
        "key": file.key,
        "shape": list(file.shape),
        "dtype": file.dtype,
        "encoding": file.encoding,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "created_at": moment,
    }


def missing_of(rows: Sequence[Mapping[Any, Any]]) -> tuple[MissingPart, ...]:
    """The missing parts among one run's rows of `failures`."""
    return tuple(
        MissingPart(row["analysis"], row["kind"], row["message"])
        for row in rows
        if row["analysis"] is not None and row["kind"] != METHOD
    )


def failures(result: RunResult) -> list[dict[str, Any]]:
    """Why the run failed, or why one of its methods has no scores, or one of its parts is missing."""
    found: list[dict[str, Any]] = []
    if result.status is RunStatus.FAILED:
        found.append({"kind": result.error_kind or "unknown", "message": result.error or ""})
    found += [{"analysis": item.part, "kind": item.kind, "message": item.reason} for item in result.missing]
    for item in result.attributions:
        if item.error is not None:
            found.append({"analysis": item.method, "kind": METHOD, "message": item.error})
    return found
