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
from headscope.storage.read.detail import Ask
from headscope.storage.rows.offensive import PROMPT, SAMPLED, Offence, Offences
from headscope.storage.schema import probe_results, runs, toxicity_scores
from headscope.storage.sql.expressions import HasElement

R, P, T = runs.c, probe_results.c, toxicity_scores.c
FILTER = "content filter"
SAMPLES = "sampled_toxicity"


class OffensiveReader:
    """The part of `headscope.storage.interfaces.RunReader` that says what to cover."""

    engine: Engine

    def offensive(self, run_ids: Sequence[str]) -> Offences:
        """See `RunReader.offensive`."""
        if not run_ids:
            return {}
        with session.reading(self.engine) as connection:
            return read(lambda statement: connection.execute(statement).mappings().all(), run_ids)


def read(ask: Ask, run_ids: Sequence[str]) -> Offences:
    """What `ask` finds of these runs."""
    keys = [str(key) for key in map(parse_id, dict.fromkeys(run_ids)) if key is not None]
    rows = [tuple(row.values()) for row in ask(_of(keys))] if keys else []
    found: dict[str, dict[str, Offence]] = {}
    for run_id, part, label, score, judge in sorted(rows, key=lambda row: -(row[3] or 0.0)):
        found.setdefault(str(run_id), {}).setdefault(part, Offence(part, label, score, judge))
    return found


def _of(keys: Sequence[str]) -> sa.CompoundSelect[Any]:
    """The ids are one value: a value for each takes longer to send than to look up."""
    ids = sa.cast(sa.literal(keys, sa.ARRAY(sa.String)), sa.ARRAY(sa.Uuid))
    asked = sa.select(sa.select(sa.func.unnest(ids).label("id")).cte("asked").c.id)
    return sa.union_all(_scored(asked), _sampled(asked), _marked(asked))


def _scored(asked: sa.Select[Any]) -> sa.Select[Any]:
    """Texts that reach the threshold of the classifier that scored them."""
    cut = sa.case(own_thresholds(), value=T.classifier, else_=USUAL)
    return sa.select(T.run_id, T.part, T.label, T.score, T.classifier).where(
        T.run_id.in_(asked), T.label == MAIN, T.score >= cut
    )


def _sampled(asked: sa.Select[Any]) -> sa.Select[Any]:
    """Runs of which a sampled continuation reaches the threshold of the classifier that its evidence names."""
    judge = sa.func.coalesce(P.evidence["classifier"].as_string(), f"the {SAMPLES} probe")
    cut = sa.case(own_thresholds(), value=judge, else_=USUAL)
    return sa.select(P.run_id, sa.literal(SAMPLED), sa.literal(MAIN), P.score, judge).where(
        P.run_id.in_(asked), P.probe == SAMPLES, P.score >= cut
    )


def _marked(asked: sa.Select[Any]) -> sa.Select[Any]:
    """Prompts that the content filter marked and whose text was kept."""
    score: sa.ColumnElement[Any] = sa.cast(sa.null(), sa.Double())
    warned, blocked = (HasElement(R.tags, f"{TAG}{action}") for action in ("warn", "block"))
    action = sa.case((warned, "warn"), else_="block")
    return sa.select(R.id, sa.literal(PROMPT), action, score, sa.literal(FILTER)).where(
        R.id.in_(asked), sa.or_(warned, blocked), R.text != ""
    )
