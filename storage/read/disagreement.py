"""Where two classifiers part over the same texts, put together by the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from headscope.storage import session
from headscope.storage.read import filters
from headscope.storage.rows import Disagreements, RunFilter, ScorerPair, ToxicityRow, TwiceScored
from headscope.storage.schema import runs, toxicity_scores

R = runs.c
TOXIC = "toxic"
_FIRST, _SECOND = toxicity_scores.alias("by_first"), toxicity_scores.alias("by_second")


class DisagreementReader:
    """The part of `headscope.storage.interfaces.RunReader` about classifiers that judged the same texts."""

    engine: Engine

    def disagreements(
        self, where: RunFilter, pair: ScorerPair, *, apart: bool = False, offset: int = 0, limit: int = 20
    ) -> Disagreements:
        """See `RunReader.disagreements`."""
        source, parted = _source(), _parted(pair)
        clauses = [*filters.clauses(where), *_both(pair)]
        count = sa.select(sa.func.count(), sa.func.sum(sa.case((parted, 1), else_=0))).select_from(source)
        with session.reading(self.engine) as connection:
            n, opposite = connection.execute(count.where(*clauses)).one()
            n, opposite = int(n), int(opposite or 0)
            query = _rows(source).where(*clauses, *([parted] if apart else []))
            found = connection.execute(query.offset(max(0, offset)).limit(limit)).all()
        rows = tuple(TwiceScored(str(row[0]), *row[1:]) for row in found)
        return Disagreements(n, opposite, rows, opposite if apart else n)

    def continuation_toxicity(self, where: RunFilter) -> tuple[ToxicityRow, ...]:
        """See `RunReader.continuation_toxicity`."""
        table = toxicity_scores.c
        names = ToxicityRow.__dataclass_fields__
        query = sa.select(*(table[name] for name in names)).select_from(
            toxicity_scores.join(runs, R.id == table.run_id)
        )
        mine = (table.part == "continuation", table.label == TOXIC, table.score.is_not(None))
        query = query.where(*filters.clauses(where), *mine).order_by(table.run_id, table.classifier)
        with session.reading(self.engine) as connection:
            return tuple(ToxicityRow(str(row[0]), *row[1:]) for row in connection.execute(query))


def _source() -> sa.FromClause:
    same = (_FIRST.c.run_id == _SECOND.c.run_id, _FIRST.c.part == _SECOND.c.part)
    return runs.join(_FIRST, _FIRST.c.run_id == R.id).join(_SECOND, sa.and_(*same))


def _both(pair: ScorerPair) -> list[sa.ColumnElement[bool]]:
    sides = ((_FIRST.c, pair.first), (_SECOND.c, pair.second))
    return [
        clause
        for column, name in sides
        for clause in (column.classifier == name, column.label == pair.label, column.score.is_not(None))
    ]


def _parted(pair: ScorerPair) -> sa.ColumnElement[bool]:
    first, second = (
        column.score >= sa.literal(cut, sa.Double())
        for column, cut in ((_FIRST.c, pair.first_cut), (_SECOND.c, pair.second_cut))
    )
    found: sa.ColumnElement[bool] = first != second
    return found


def _rows(source: sa.FromClause) -> sa.Select[Any]:
    part, first, second = _FIRST.c.part, _FIRST.c.score, _SECOND.c.score
    text = sa.case((part == "continuation", sa.func.coalesce(R.continuation, "")), else_=R.text)
    shown = (R.id, R.model, R.prompt_key, part, text.label("judged"), first, second)
    return sa.select(*shown).select_from(source).order_by(sa.func.abs(first - second).desc(), R.id, part)
