"""Runs of two models matched prompt by prompt, the newest of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from headscope.analysis.statistics.answers import GRAMMAR, PARAPHRASE
from headscope.analysis.types import RunStatus
from headscope.storage.read import filters
from headscope.storage.read.charts import finite
from headscope.storage.read.drawn import Ids, among
from headscope.storage.rows import Condition
from headscope.storage.rows.models import Sides
from headscope.storage.schema import runs

R = runs.c
SAME = ("prompt_set", "prompt_key", "text", "target", "foil")
"""What makes two runs runs of one prompt."""
FAILED, OK = 1, 2
NUMBERS = ("margin", "target_rank", "next_token_prob", "mean_surprisal")


@dataclass(frozen=True, slots=True)
class Both:
    """The newest runs of both models, a prompt each, and how they are matched; drawn: see `storage.read.drawn`."""

    first: sa.CTE
    second: sa.CTE
    drawn: Ids

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


def both_of(sides: Sides, ids: Ids) -> Both:
    """The newest runs of both sides, all or of those drawn."""
    more = among(R.id, ids)
    return Both(newest(sides, sides.first, sides.first_experiment, "one", *more),
                 newest(sides, sides.second, sides.second_experiment, "two", *more), ids)  # fmt: skip


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


def matches(both: Both) -> sa.Select[Any]:
    """One row of the counts of `Matched`: prompts of both sides, then ids, which another text may share."""
    asked = [
        sa.select(*(side.c[name] for name in SAME), side.c.several, sa.literal(number).label("side"),
                  sa.case((side.c.ok, OK), else_=FAILED).label("came"))
        for number, side in enumerate((both.first, both.second))
    ]  # fmt: skip
    runs_of = sa.union_all(*asked).subquery("asked")
    came = [sa.func.max(sa.case((runs_of.c.side == number, runs_of.c.came), else_=0)) for number in (0, 1)]
    older = sa.func.sum(runs_of.c.several - 1).label("older")
    same = [runs_of.c[name] for name in SAME]
    of = sa.select(*same, came[0].label("one"), came[1].label("two"), older).group_by(*same).subquery("of_prompt").c
    kinds: dict[str, filters.Clause] = {
        "both": sa.and_(of.one == OK, of.two == OK),
        "failed_first": sa.and_(of.one == FAILED, of.two == OK),
        "failed_second": sa.and_(of.one == OK, of.two == FAILED),
        "failed_both": sa.and_(of.one == FAILED, of.two == FAILED),
        "alone_first": of.two == 0,
        "alone_second": of.one == 0,
    }
    parts = [sa.func.count(sa.case((kind, 1))).label(name) for name, kind in kinds.items()]
    parts += [sa.func.max(of.one).label("one"), sa.func.max(of.two).label("two"), sa.func.sum(of.older).label("older")]
    ids = sa.select(*parts).group_by(of.prompt_set, of.prompt_key).subquery("ids").c
    found = [sa.func.sum(ids[name]).label(name) for name in (*tuple(kinds)[:4], "older")]
    for name, other in (("first", ids.two), ("second", ids.one)):
        alone = ids[f"alone_{name}"]
        found += [sa.func.sum(sa.case((other > 0, alone), else_=0)).label(f"changed_{name}"),
                  sa.func.sum(sa.case((other == 0, alone), else_=0)).label(f"only_{name}")]  # fmt: skip
    return sa.select(*found)
