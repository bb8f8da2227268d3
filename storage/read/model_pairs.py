"""Two models on the same prompts: matched, compared and summed up by the database, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.calibration_pairs import Cells, edges_of
from headscope.analysis.statistics.model_pairs import Moments
from headscope.storage import session
from headscope.storage.read import counts, filters
from headscope.storage.read.detail import Ask
from headscope.storage.read.matched import SAME, Both, both_of, matches, newest
from headscope.storage.rows.models import FLIPS, Flip, Matched, ModelsBeside, Sides
from headscope.storage.schema import runs, token_traces

Number = sa.ColumnElement[Any]
SHARES = ("preferred", "accuracy", "right")
MEASURES = (*SHARES, "margin", "surprisal", "overconfidence", "brier")
PREFIX = 8
"""Tokens at the start of a text that the other model may have taken for one."""
SUMS = ("x_first", "x_second", "y_first", "y_second")


class ModelReader:
    """The part of `headscope.storage.interfaces.RunReader` about two models on the same prompts."""

    engine: Engine
    _samples: counts.Counts

    def models_beside(self, sides: Sides) -> ModelsBeside:
        """See `RunReader.models_beside`."""
        with session.reading(self.engine) as connection:
            key, version = ("models", repr(sides)), counts.version(connection)
            return self._samples.get(key, version, lambda: read(_asking(connection), sides))

    def flips(self, sides: Sides, which: str = "all", offset: int = 0, limit: int = 25) -> tuple[Flip, ...]:
        """See `RunReader.flips`."""
        with session.reading(self.engine) as connection:
            key = ("flips", repr(sides), which, offset, limit)
            version = counts.version(connection)
            return self._samples.get(key, version, lambda: read_flips(_asking(connection), sides, which, offset, limit))


def _asking(connection: Connection) -> Ask:
    return lambda statement: connection.execute(statement).mappings().all()


def read(ask: Ask, sides: Sides) -> ModelsBeside:
    """All that is said of two models, in three statements."""
    (row,) = ask(matches(sides))
    matched = Matched(**{name: int(value or 0) for name, value in row.items()})
    (sums,) = ask(_moments(sides))
    measured = {name: _moments_of(name, sums) for name in MEASURES}
    edges = edges_of(measured["overconfidence"].n)
    return ModelsBeside(matched, measured, _cells_of(ask(_cells(sides, edges)), max(0, len(edges) - 1)))


def read_flips(
    ask: Ask, sides: Sides, which: str = "all", offset: int = 0, limit: int | None = None
) -> tuple[Flip, ...]:
    """Prompts on which the models prefer another word, the largest change of margin first. Raises UnknownNameError."""
    if which not in FLIPS:
        raise UnknownNameError("choice", which, FLIPS)
    found = [dict(row) for row in ask(_flips(sides, which).offset(max(0, offset)).limit(limit))]
    pairs = sorted({row["pair_id"] for row in found if row["pair_id"] is not None})
    partners: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for row in ask(_partners(sides, pairs)) if pairs else ():
        one = (row["prompt_key"], row["text"], str(row["id"]))
        partners.setdefault((row["prompt_set"], row["pair_id"]), []).append(one)
    for row in found:
        near = partners.get((row["prompt_set"], row["pair_id"]), ())
        other = next((one for one in sorted(near) if one[0] != row["prompt_key"]), ("", "", ""))
        row |= {"partner": other[1], "partner_run": other[2]}
        row |= {name: str(row[name]) for name in ("first_run", "second_run")}
    return tuple(Flip(**row) for row in found)


def _preference(margin: Number) -> Number:
    return sa.case((margin > 0, 1.0), (margin == 0, 0.5), else_=0.0)


def _values(both: Both) -> tuple[sa.FromClause, dict[str, tuple[filters.Clause, list[Number]]]]:
    """What to select from, and of every measure which prompts have it and its `SUMS` there."""
    sides = (both.first.c, both.second.c)
    traces = [token_traces.alias(name) for name in ("trace_one", "trace_two")]
    source: sa.FromClause = sa.join(both.first, both.second, both.same)
    for side, trace in zip(sides, traces, strict=True):
        source = source.outerjoin(trace, trace.c.run_id == side.id)
    compared = sa.and_(*(side.margin.is_not(None) for side in sides))
    ranked = sa.and_(both.answer, *(side.target_rank.is_not(None) for side in sides))
    stated = sa.and_(ranked, *(side.next_token_prob.is_not(None) for side in sides))
    once: list[Number] = [sa.literal(1.0, sa.Double())] * 2
    right = [_right(side) for side in sides]
    gap = [side.next_token_prob - each for side, each in zip(sides, right, strict=True)]
    preferred = [_preference(side.margin) for side in sides]
    scored, lengths, surprisals = _surprisals(sides, traces)
    return source, {
        "preferred": (compared, once + preferred),
        "accuracy": (sa.and_(compared, both.answer), once + preferred),
        "right": (ranked, once + right),
        "margin": (compared, once + [side.margin for side in sides]),
        "surprisal": (scored, lengths + surprisals),
        "overconfidence": (stated, once + gap),
        "brier": (stated, once + [each * each for each in gap]),
    }


def _right(side: Any) -> Number:
    return sa.case((side.target_rank == 1, 1.0), else_=0.0)


def _surprisals(sides: Sequence[Any], traces: Sequence[Any]) -> tuple[filters.Clause, list[Number], list[Number]]:
    """Of the characters that both models predicted: which prompts have them, how many, and their surprisal in nats.

    A model predicts no first token, and models cut texts differently: tokens that lie in what the other model did not
    predict are left out. One that begins there and ends behind it stays, with all its characters.
    """
    starts = [trace.c.char_ends[1] for trace in traces]
    ends = [trace.c.char_ends[trace.c.n_tokens] for trace in traces]
    cut = sa.func.greatest(*starts)
    lengths: list[Number] = []
    surprisals: list[Number] = []
    known: list[filters.Clause] = [ends[0] == ends[1]]
    for side, trace, start, end in zip(sides, traces, starts, ends, strict=True):
        places = range(2, PREFIX + 2)
        inside = [trace.c.char_ends[k] <= cut for k in places]
        begin = sa.func.greatest(start, *(sa.case((here, trace.c.char_ends[k]))
                                          for k, here in zip(places, inside, strict=True)))  # fmt: skip
        dropped = (sa.case((here, trace.c.logprobs[k]), else_=0.0) for k, here in zip(places, inside, strict=True))
        left_out: Number = sum(dropped, sa.literal(0.0, sa.Double()))
        whole = side.mean_surprisal * (side.n_tokens - 1)
        alike = start == cut
        length = end - sa.case((alike, start), else_=begin)
        lengths.append(sa.cast(length, sa.Double()))
        surprisals.append(sa.case((alike, whole), else_=whole + left_out))
        known += [side.mean_surprisal.is_not(None), length > 0,
                  sa.or_(alike, sa.func.coalesce(trace.c.char_ends[PREFIX + 2] > cut, sa.true()))]  # fmt: skip
    return sa.and_(*known), lengths, surprisals


def _moments(sides: Sides) -> sa.Select[Any]:
    """One row: of every measure what `_moments_of` reads, summed up over pairs of a prompt set."""
    both = both_of(sides)
    source, values = _values(both)
    within = (both.first.c.prompt_set, sa.func.coalesce(both.first.c.pair_id, both.first.c.prompt_key),
              both.first.c.pair_id.is_(None))  # fmt: skip
    parts = []
    for name, (known, columns) in values.items():
        parts.append(sa.func.count(sa.case((known, 1))).label(f"{name}_n"))
        for key, column in zip(SUMS, columns, strict=True):
            parts.append(sa.func.coalesce(sa.func.sum(sa.case((known, column))), 0.0).label(f"{name}_{key}"))
        if name in SHARES:
            one, two = columns[2:]
            parts += [sa.func.count(sa.case((sa.and_(known, a > b), 1))).label(f"{name}_{only}")
                      for only, a, b in (("only_first", one, two), ("only_second", two, one))]  # fmt: skip
    summed = sa.select(*parts).select_from(source).where(both.succeeded).group_by(*within).subquery("clusters")
    return sa.select(*(part for name in values for part in _of_clusters(summed.c, name)))


def _of_clusters(of: Any, name: str) -> list[Number]:
    keys = [f"{name}_{key}" for key in SUMS]
    known = of[f"{name}_n"] > 0
    made: list[Number] = [
        sa.func.sum(of[f"{name}_n"]).label(f"{name}_n"),
        sa.func.count(sa.case((known, 1))).label(f"{name}_of"),
    ]
    made += [sa.func.sum(of[key]).label(key) for key in keys]
    made += [sa.func.sum(of[keys[i]] * of[keys[j]]).label(f"{name}_{i}{j}") for i in range(4) for j in range(i, 4)]
    if name in SHARES:
        gain = of[keys[3]] - of[keys[2]]
        made += [sa.func.sum(of[f"{name}_{key}"]).label(f"{name}_{key}") for key in ("only_first", "only_second")]
        turned = (("gained", gain > 0), ("lost", gain < 0))
        made += [sa.func.count(sa.case((way, 1))).label(f"{name}_{key}") for key, way in turned]
    return made


def _moments_of(name: str, row: Mapping[Any, Any]) -> Moments:
    products = np.zeros((4, 4))
    for i in range(4):
        for j in range(i, 4):
            products[i, j] = products[j, i] = float(row[f"{name}_{i}{j}"] or 0)
    sums = np.array([float(row[f"{name}_{key}"] or 0) for key in SUMS])
    n, clusters = int(row[f"{name}_n"] or 0), int(row[f"{name}_of"])
    turned = ("gained", "lost", "only_first", "only_second") if name in SHARES else ()
    return Moments(n, clusters, sums, products, *(int(row[f"{name}_{key}"] or 0) for key in turned))


def _cells(sides: Sides, edges: Sequence[int]) -> sa.Select[Any]:
    """Rows of `Cells`: the bin of each model, and the sums there."""
    both = both_of(sides)
    _, values = _values(both)
    known = values["overconfidence"][0]
    one, two = both.first.c, both.second.c
    placed = [sa.func.row_number().over(order_by=(side.next_token_prob, one.id)) for side in (one, two)]
    names = ("stated_first", "stated_second", "right_first", "right_second")
    shown = (one.next_token_prob, two.next_token_prob, _right(one), _right(two))
    rows = (
        sa.select(*(column.label(name) for column, name in zip(shown, names, strict=True)),
                  *(place.label(name) for place, name in zip(placed, ("at_first", "at_second"), strict=True)))
        .select_from(sa.join(both.first, both.second, both.same)).where(both.succeeded, known).subquery()
    )  # fmt: skip
    bins = [sum((sa.case((rows.c[at] > edge, 1), else_=0) for edge in edges[1:-1]), sa.literal(0)).label(name)
            for at, name in (("at_first", "bin_first"), ("at_second", "bin_second"))]  # fmt: skip
    binned = sa.select(*(rows.c[name] for name in names), *bins).subquery()
    both_right = sa.func.sum(binned.c.right_first * binned.c.right_second).label("both")
    within = (binned.c.bin_first, binned.c.bin_second)
    sums = (sa.func.sum(binned.c[name]).label(name) for name in names)
    return sa.select(*within, sa.func.count().label("n"), *sums, both_right).group_by(*within)


def _cells_of(rows: Sequence[Mapping[Any, Any]], size: int) -> Cells:
    one, two = (size, size), (2, size, size)
    found = Cells(np.zeros(one, np.int64), np.zeros(two), np.zeros(two, np.int64), np.zeros(one, np.int64))
    for row in rows:
        at = row["bin_first"], row["bin_second"]
        found.n[at], found.both[at] = row["n"], round(row["both"])
        for side, name in enumerate(("first", "second")):
            found.stated[side][at], found.right[side][at] = row[f"stated_{name}"], round(row[f"right_{name}"])
    return found


def _flips(sides: Sides, which: str) -> sa.Select[Any]:
    both = both_of(sides)
    one, two = both.first.c, both.second.c
    before, after = _preference(one.margin), _preference(two.margin)
    turned = {"all": before != after, "gained": after > before, "lost": after < before}[which]
    change = (two.margin - one.margin).label("change")
    of_prompt = (one[name] for name in (*SAME, "group", "pair_id"))
    of_runs = (one.id.label("first_run"), two.id.label("second_run"))
    shown = (*of_prompt, *of_runs, one.margin.label("first_margin"), two.margin.label("second_margin"), change)
    known = (both.succeeded, one.margin.is_not(None), two.margin.is_not(None), turned)
    query = sa.select(*shown).select_from(sa.join(both.first, both.second, both.same)).where(*known)
    return query.order_by(sa.func.abs(two.margin - one.margin).desc(), one.id)


def _partners(sides: Sides, pairs: Sequence[str]) -> sa.Select[Any]:
    found = newest(sides, sides.first, sides.first_experiment, "partners", runs.c.pair_id.in_(pairs))
    return sa.select(*(found.c[name] for name in ("id", "prompt_set", "prompt_key", "pair_id", "text")))
