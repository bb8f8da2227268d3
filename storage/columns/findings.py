"""Between findings and rows of `toxicity_scores` and `probe_results`. No SQL here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from headscope.analysis.types.findings import Finding, ProbeResult, ToxicityScore
from headscope.storage.columns.values import number
from headscope.storage.ids import new_id
from headscope.storage.sql import bulk

TABLES = ("toxicity_scores", "probe_results")


def rows_of(run_id: UUID, findings: Iterable[Finding], moment: datetime) -> dict[str, list[dict[str, Any]]]:
    """Rows of both tables; an unmeasured score is NULL."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for item in findings:
        row: dict[str, Any] = {
            "id": new_id(),
            "run_id": run_id,
            "label": item.label,
            "score": number(item.score),
            "evidence": bulk.plain(item.evidence),
            "created_at": moment,
        }
        if isinstance(item, ToxicityScore):
            found["toxicity_scores"].append({**row, "part": item.part, "classifier": item.classifier})
        else:
            found["probe_results"].append({**row, "probe": item.probe})
    return found


def findings_of(
    toxicity: Iterable[Mapping[Any, Any]], probes: Iterable[Mapping[Any, Any]]
) -> tuple[ToxicityScore | ProbeResult, ...]:
    """The findings that rows of one run hold."""
    scores = [
        ToxicityScore(row["part"], row["label"], _score(row), row["classifier"], row["evidence"] or {})
        for row in toxicity
    ]
    results = [ProbeResult(row["probe"], _score(row), row["label"], row["evidence"] or {}) for row in probes]
    return (*scores, *results)


def _score(row: Mapping[Any, Any]) -> float:
    return math.nan if row["score"] is None else float(row["score"])
