"""Runs of two models matched prompt by prompt, the newest of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from headscope.analysis.statistics.answers import GRAMMAR, PARAPHRASE
from headscope.analysis.types import RunStatus
from headscope.storage.read import filters
from headscope.storage.read.charts import finite
from headscope.storage.rows import Condition
from headscope.storage.rows.models import Sides
from headscope.storage.schema import runs

R = runs.c
SAME = ("prompt_set", "prompt_key", "text", "target", "foil")
"""What makes two runs runs of one prompt."""
NUMBERS = ("margin", "target_rank", "next_token_prob", "mean_surprisal")


@dataclass(frozen=True, slots=True)
class Both:
    """The newest runs of both models, a prompt each, and how they are matched."""

    first: sa.CTE
    second: sa.CTE

    @property
    def same(self) -> sa.ColumnElement[bool]:
        """Runs of one prompt."""
        return sa.and_(*(self.first.c[name] == self.second.c[name] for name in SAME))

    @property
    def succeeded(self) -> sa.ColumnElement[bool]:
        """On both models."""
        return sa.and_(self.first.c.ok, self.second.c.ok)

    @property
    def answer(self) -> sa.ColumnElement[bool]:
        """Whether the target is a right answer: `analysis.statistics.answers.has_answer`."""
        group = self.first.c.group
        known = sa.or_(group.is_(None), group.in_(sorted(GRAMMAR)), group.startswith(PARAPHRASE))
        return sa.and_(self.first.c.target != "", known)


def both_of(sides: Sides) -> Both:
    """The newest runs of both sides."""
    return Both(newest(sides, sides.first, sides.first_experiment, "one"),
                 newest(sides, sides.second, sides.second_experiment, "two"))  # fmt: skip


def newest(sides: Sides, model: str, experiment: str, name: str, *more: filters.Clause) -> sa.CTE:
    """One run a prompt: the newest that succeeded, else the newest; `several`: how many there are."""
    of = [Condition("model", "eq", model), *([Condition("experiment", "eq", experiment)] if experiment else [])]
    where = replace(sides.where, conditions=(*sides.where.conditions, *of))
    empty = ("prompt_set", "target", "foil")
    same = [(sa.func.coalesce(R[key], "") if key in empty else R[key]).label(key) for key in SAME]
    ok = R.status == RunStatus.SUCCEEDED.value
    within = [part.element for part in same]
    order = (sa.case((ok, 0), else_=1), R.created_at.desc(), R.id.desc())
    place = sa.func.row_number().over(partition_by=within, order_by=order).label("place")
    several = sa.func.count().over(partition_by=within).label("several")
    plain = (R.id, R.n_tokens, R.pair_id, R.group_name.label("group"), ok.label("ok"))
    numbers = (finite(number).label(number) for number in NUMBERS)
    found = sa.select(*same, *plain, *numbers, place, several).where(*filters.clauses(where), *more).subquery()
    kept = [column for column in found.c if column.name != "place"]
    return sa.select(*kept).where(found.c.place == 1).cte(name)


def matches(sides: Sides) -> sa.Select[Any]:
    """One row of the counts of `Matched`."""
    both = both_of(sides)
    one, two = both.first.c, both.second.c
    of_one, of_two = (sa.select(side.c.prompt_set, side.c.prompt_key).distinct().subquery()
                      for side in (both.first, both.second))  # fmt: skip
    joined = sa.join(both.first, both.second, both.same, full=True)
    for of, side in ((of_two, one), (of_one, two)):
        joined = joined.outerjoin(of, sa.and_(*(of.c[key] == side[key] for key in ("prompt_set", "prompt_key"))))
    alone_one, alone_two = two.id.is_(None), one.id.is_(None)
    kinds: dict[str, filters.Clause] = {
        "both": sa.and_(one.ok, two.ok),
        "failed_first": sa.and_(sa.not_(one.ok), two.ok),
        "failed_second": sa.and_(one.ok, sa.not_(two.ok)),
        "failed_both": sa.and_(sa.not_(one.ok), sa.not_(two.ok)),
        "changed_first": sa.and_(alone_one, of_two.c.prompt_key.is_not(None)),
        "changed_second": sa.and_(alone_two, of_one.c.prompt_key.is_not(None)),
        "only_first": sa.and_(alone_one, of_two.c.prompt_key.is_(None)),
        "only_second": sa.and_(alone_two, of_one.c.prompt_key.is_(None)),
    }
    counted: list[sa.ColumnElement[Any]] = [
        sa.func.count(sa.case((kind, 1))).label(name) for name, kind in kinds.items()
    ]
    older = sa.func.sum(sa.func.coalesce(one.several - 1, 0) + sa.func.coalesce(two.several - 1, 0)).label("older")
    counted.append(older)
    return sa.select(*counted).select_from(joined)
