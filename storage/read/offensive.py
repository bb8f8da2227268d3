"""Which texts of runs are offensive: by the toxicity scores that are stored, and by the content filter's tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from headscope.analysis.classifiers.content_filter import MAIN, TAG
from headscope.analysis.classifiers.thresholds import USUAL, own_thresholds
from headscope.storage import session
from headscope.storage.ids import parse_id
from headscope.storage.rows.offensive import PROMPT, SAMPLED, Offence, Offences
from headscope.storage.schema import probe_results, runs, toxicity_scores
from headscope.storage.sql.expressions import HasElement

R, P, T = runs.c, probe_results.c, toxicity_scores.c
FILTER = "content filter"
SAMPLES = "sampled_toxicity"
MOST = 5_000
"""Ids in one statement, each bound four times: PostgreSQL takes 65,535 values."""


class OffensiveReader:
    """The part of `headscope.storage.interfaces.RunReader` that says what to cover."""

    engine: Engine

    def offensive(self, run_ids: Sequence[str]) -> Offences:
        """See `RunReader.offensive`."""
        keys = [key for key in map(parse_id, dict.fromkeys(run_ids)) if key is not None]
        if not keys:
            return {}
        with session.reading(self.engine) as connection:
            rows = [row for at in range(0, len(keys), MOST) for row in connection.execute(_of(keys[at : at + MOST]))]
        found: dict[str, dict[str, Offence]] = {}
        for run_id, part, label, score, judge in sorted(rows, key=lambda row: -(row[3] or 0.0)):
            found.setdefault(str(run_id), {}).setdefault(part, Offence(part, label, score, judge))
        return found


def _of(keys: Sequence[Any]) -> sa.CompoundSelect[Any]:
    return sa.union_all(_scored(keys), _sampled(keys), *(_marked(keys, action) for action in ("warn", "block")))


def _scored(keys: Sequence[Any]) -> sa.Select[Any]:
    """Texts that reach the threshold of the classifier that scored them."""
    cut = sa.case(own_thresholds(), value=T.classifier, else_=USUAL)
    return sa.select(T.run_id, T.part, T.label, T.score, T.classifier).where(
        T.run_id.in_(keys), T.label == MAIN, T.score >= cut
    )


def _sampled(keys: Sequence[Any]) -> sa.Select[Any]:
    """Runs of which a sampled continuation reaches the threshold of the classifier that its evidence names."""
    judge = sa.func.coalesce(P.evidence["classifier"].as_string(), f"the {SAMPLES} probe")
    cut = sa.case(own_thresholds(), value=judge, else_=USUAL)
    return sa.select(P.run_id, sa.literal(SAMPLED), sa.literal(MAIN), P.score, judge).where(
        P.run_id.in_(keys), P.probe == SAMPLES, P.score >= cut
    )


def _marked(keys: Sequence[Any], action: str) -> sa.Select[Any]:
    """Prompts that the content filter marked and whose text was kept."""
    score: sa.ColumnElement[Any] = sa.cast(sa.null(), sa.Double())
    return sa.select(R.id, sa.literal(PROMPT), sa.literal(action), score, sa.literal(FILTER)).where(
        R.id.in_(keys), HasElement(R.tags, f"{TAG}{action}"), R.text != ""
    )
