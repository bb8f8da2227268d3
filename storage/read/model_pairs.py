"""Two models on the same prompts: matched, compared and summed up by the database, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.calibration_pairs import Cells, edges_of
from headscope.analysis.statistics.model_pairs import Moments
from headscope.storage import session
from headscope.storage.read import counts, drawn, filters
from headscope.storage.read.detail import Ask
from headscope.storage.read.drawn import Ids
from headscope.storage.read.matched import NUMBERS, SAME, Both, both_of, matches, newest
from headscope.storage.rows import Condition
from headscope.storage.rows.models import FLIPS, Flip, Matched, ModelsBeside, Sides
from headscope.storage.schema import runs, token_traces

Number = sa.ColumnElement[Any]
SHARES = ("preferred", "accuracy", "right")
RATIO = "surprisal"
MEASURES = (*SHARES, "margin", RATIO, "overconfidence", "brier")
PREFIX = 4
"""Tokens at the start of a text that the other model may have taken for one."""
SUMS = ("x_first", "x_second", "y_first", "y_second")
NAMES = ("first", "second")


class ModelReader:
    """The part of `headscope.storage.interfaces.RunReader` about two models on the same prompts."""

    engine: Engine
    _samples: counts.Counts

    def models_beside(self, sides: Sides) -> ModelsBeside:
        """See `RunReader.models_beside`."""
        with session.reading(self.engine) as connection:
            key, version = ("models", repr(sides)), counts.version(connection)

            def found() -> ModelsBeside:
                return read(_asking(connection), *self._drawn(connection, version, sides))

            return self._samples.get(key, version, found)

    def flips(self, sides: Sides, which: str = "all", offset: int = 0, limit: int = 25) -> tuple[Flip, ...]:
        """See `RunReader.flips`."""
        with session.reading(self.engine) as connection:
            key = ("flips", repr(sides), which, offset, limit)
            version = counts.version(connection)

            def found() -> tuple[Flip, ...]:
                rest, ids = self._drawn(connection, version, sides)
                return read_flips(_asking(connection), rest, which, offset, limit, ids=ids)

            return self._samples.get(key, version, found)

    def _drawn(self, connection: Connection, version: int, sides: Sides) -> tuple[Sides, Ids]:
        """The runs of both models of a part of the prompts, where one is asked for, and the rest of the filter."""
        models = Condition("model", "in", tuple(sorted({sides.first, sides.second})))
        where = replace(sides.where, conditions=(*sides.where.conditions, models))
        ids = drawn.ids(connection, self._samples, version, where)
        return replace(sides, where=replace(sides.where, parts=0)), ids


def _asking(connection: Connection) -> Ask:
    return lambda statement: connection.execute(statement).mappings().all()


def read(ask: Ask, sides: Sides, ids: Ids = None) -> ModelsBeside:
    """All that is said of two models, in two statements: the first finds the runs once for counts and sums."""
    both = both_of(sides, ids)
    counted, summed = matches(both).subquery("counted"), _moments(both).subquery("summed")
    (sums,) = ask(sa.select(*counted.c, *summed.c).select_from(counted.join(summed, sa.true())))
    matched = Matched(**{name: int(sums[name] or 0) for name in counted.c.keys()})  # noqa: SIM118 - no dict
    measured = {name: _moments_of(name, sums) for name in MEASURES}
    edges = edges_of(measured["overconfidence"].n)
    return ModelsBeside(matched, measured, _cells_of(ask(_cells(both, edges)), max(0, len(edges) - 1)))


def read_flips(
    ask: Ask, sides: Sides, which: str = "all", offset: int = 0, limit: int | None = None, *, ids: Ids = None
) -> tuple[Flip, ...]:
    """Prompts on which the models prefer another word, the largest change of margin first. Raises UnknownNameError."""
    if which not in FLIPS:
        raise UnknownNameError("choice", which, FLIPS)
    found = [dict(row) for row in ask(_flips(both_of(sides, ids), which).offset(max(0, offset)).limit(limit))]
    pairs = sorted({row["pair_id"] for row in found if row["pair_id"] is not None})
    partners: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for row in ask(_partners(sides, pairs, ids)) if pairs else ():
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


def _joined(both: Both) -> sa.Subquery:
    """A row a prompt that succeeded on both: what its measures are made of, `_first` and `_second`. Apart from
    `_prompts`, so that the database looks into each array once."""
    shown: list[Number] = [
        both.first.c.prompt_set, sa.func.coalesce(both.first.c.pair_id, both.first.c.prompt_key).label("member"),
        both.first.c.pair_id.is_(None).label("alone"), both.answer.label("answer"),
    ]  # fmt: skip
    source: sa.FromClause = sa.join(both.first, both.second, both.same)
    for side, name in ((both.first, "first"), (both.second, "second")):
        traces = sa.select(token_traces).where(*drawn.joined(token_traces.c.run_id, both.drawn))
        trace = traces.subquery(f"trace_{name}")
        source = source.outerjoin(trace, trace.c.run_id == side.c.id)
        ends, logprobs = trace.c.char_ends, trace.c.logprobs
        found = {key: side.c[key] for key in (*NUMBERS, "n_tokens")} | {"end": ends[trace.c.n_tokens]}
        found |= {f"end_{k}": ends[k] for k in range(1, PREFIX + 3)}
        found |= {f"logprob_{k}": logprobs[k] for k in range(2, PREFIX + 2)}
        shown += [column.label(f"{key}_{name}") for key, column in found.items()]
    return sa.select(*shown).select_from(source).where(both.succeeded).subquery("joined")


def _prompts(both: Both) -> sa.Subquery:
    """A row a prompt: of every measure whether it has it (`_n`) and its `SUMS` there, NULL where not."""
    of = _joined(both).c
    numbers: list[list[Number]] = [[of[f"{key}_{name}"] for name in NAMES] for key in NUMBERS[:3]]
    margins, ranks, stated = numbers
    compared = sa.and_(*(margin.is_not(None) for margin in margins))
    ranked = sa.and_(of.answer, *(rank.is_not(None) for rank in ranks))
    confident = sa.and_(ranked, *(probability.is_not(None) for probability in stated))
    preferred, right = [_preference(margin) for margin in margins], [_right(rank) for rank in ranks]
    gap = [probability - each for probability, each in zip(stated, right, strict=True)]
    scored, lengths, surprisals = _surprisals(of)
    values: dict[str, tuple[filters.Clause, list[Number]]] = {
        "preferred": (compared, preferred),
        "accuracy": (sa.and_(compared, of.answer), preferred),
        "right": (ranked, right),
        "margin": (compared, margins),
        "surprisal": (scored, lengths + surprisals),
        "overconfidence": (confident, gap),
        "brier": (confident, [each * each for each in gap]),
    }
    shown = [of.prompt_set, of.member, of.alone]
    for name, (known, columns) in values.items():
        shown.append(sa.case((known, 1.0), else_=0.0).label(f"{name}_n"))
        keys = SUMS[-len(columns) :]
        shown += [sa.case((known, column)).label(f"{name}_{key}") for key, column in zip(keys, columns, strict=True)]
    return sa.select(*shown).subquery("prompts")


def _right(rank: Number) -> Number:
    return sa.case((rank == 1, 1.0), else_=0.0)


def _surprisals(of: Any) -> tuple[filters.Clause, list[Number], list[Number]]:
    """Of the characters that both models predicted: which prompts have them, how many, and their surprisal in nats.

    A model predicts no first token, and models cut texts differently: tokens that lie in what the other model did not
    predict are left out. One that begins there and ends behind it stays, with all its characters.
    """
    cut = sa.func.greatest(of.end_1_first, of.end_1_second)
    lengths: list[Number] = []
    surprisals: list[Number] = []
    known: list[filters.Clause] = [of.end_first == of.end_second]
    for name in NAMES:
        start, end, last = (of[f"{key}_{name}"] for key in ("end_1", "end", f"end_{PREFIX + 2}"))
        inside = [(of[f"end_{k}_{name}"], of[f"logprob_{k}_{name}"]) for k in range(2, PREFIX + 2)]
        begin = sa.func.greatest(start, *(sa.case((near <= cut, near)) for near, _ in inside))
        dropped = (sa.case((near <= cut, logprob), else_=0.0) for near, logprob in inside)
        left_out: Number = sum(dropped, sa.literal(0.0, sa.Double()))
        whole = of[f"mean_surprisal_{name}"] * (of[f"n_tokens_{name}"] - 1)
        alike = start == cut
        lengths.append(sa.cast(end - sa.case((alike, start), else_=begin), sa.Double()))
        surprisals.append(sa.case((alike, whole), else_=whole + left_out))
        known += [of[f"mean_surprisal_{name}"].is_not(None), lengths[-1] > 0,
                  sa.or_(alike, sa.func.coalesce(last > cut, sa.true()))]  # fmt: skip
    return sa.and_(*known), lengths, surprisals


def _columns_of(name: str) -> list[str]:
    """The columns whose sums are a measure's `SUMS`; a mean is divided by the number of prompts."""
    first, second = (f"{name}_{key}" if name == RATIO else f"{name}_n" for key in SUMS[:2])
    return [first, second, *(f"{name}_{key}" for key in SUMS[2:])]


def _moments(both: Both) -> sa.Select[Any]:
    """One row: of every measure what `_moments_of` reads, summed up over pairs of a prompt set."""
    of = _prompts(both).c
    parts: list[Number] = []
    for name in MEASURES:
        names = dict.fromkeys([f"{name}_n", *_columns_of(name)])
        parts += [sa.func.coalesce(sa.func.sum(of[column]), 0.0).label(column) for column in names]
        if name in SHARES:
            one, two = (of[f"{name}_{key}"] for key in SUMS[2:])
            parts += [sa.func.count(sa.case((a > b, 1))).label(f"{name}_{only}")
                      for only, a, b in (("only_first", one, two), ("only_second", two, one))]  # fmt: skip
    summed = sa.select(*parts).group_by(of.prompt_set, of.member, of.alone).subquery("clusters")
    return sa.select(*(part for name in MEASURES for part in _of_clusters(summed.c, name)))


def _of_clusters(of: Any, name: str) -> list[Number]:
    """Sums over clusters of the columns, and of the products of two of them."""
    n, keys = f"{name}_n", list(dict.fromkeys(_columns_of(name)))
    made: list[Number] = [sa.func.count(sa.case((of[n] > 0, 1))).label(f"{name}_of")]
    made += [sa.func.sum(of[key]).label(key) for key in dict.fromkeys([n, *keys])]
    made += [sa.func.sum(of[a] * of[b]).label(f"{a}*{b}") for i, a in enumerate(keys) for b in keys[i:]]
    if name in SHARES:
        gain = of[f"{name}_y_second"] - of[f"{name}_y_first"]
        made += [sa.func.sum(of[f"{name}_{key}"]).label(f"{name}_{key}") for key in ("only_first", "only_second")]
        turned = (("gained", gain > 0), ("lost", gain < 0))
        made += [sa.func.count(sa.case((way, 1))).label(f"{name}_{key}") for key, way in turned]
    return made


def _moments_of(name: str, row: Mapping[Any, Any]) -> Moments:
    keys = _columns_of(name)
    products = np.zeros((4, 4))
    for i, a in enumerate(keys):
        for j, b in enumerate(keys[i:], i):
            products[i, j] = products[j, i] = float(row[f"{a}*{b}"] or 0)
    sums = np.array([float(row[key] or 0) for key in keys])
    n, clusters = round(row[f"{name}_n"] or 0), int(row[f"{name}_of"])
    turned = ("gained", "lost", "only_first", "only_second") if name in SHARES else ()
    return Moments(n, clusters, sums, products, *(int(row[f"{name}_{key}"] or 0) for key in turned))


def _cells(both: Both, edges: Sequence[int]) -> sa.Select[Any]:
    """Rows of `Cells`: the bin of each model, and the sums there."""
    one, two = both.first.c, both.second.c
    known = sa.and_(both.answer, *(side[key].is_not(None) for side in (one, two)
                                   for key in ("target_rank", "next_token_prob")))  # fmt: skip
    placed = [sa.func.row_number().over(order_by=(side.next_token_prob, one.id)) for side in (one, two)]
    names = ("stated_first", "stated_second", "right_first", "right_second")
    shown = (one.next_token_prob, two.next_token_prob, _right(one.target_rank), _right(two.target_rank))
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


def _flips(both: Both, which: str) -> sa.Select[Any]:
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


def _partners(sides: Sides, pairs: Sequence[str], ids: Ids) -> sa.Select[Any]:
    more = (runs.c.pair_id.in_(pairs), *drawn.among(runs.c.id, ids))
    found = newest(sides, sides.first, sides.first_experiment, "partners", *more)
    return sa.select(*(found.c[name] for name in ("id", "prompt_set", "prompt_key", "pair_id", "text")))
