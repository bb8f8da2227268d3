"""The tables of the pages over many runs, as frames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.storage import repository
from headscope.storage.handle import Frame
from headscope.storage.interfaces import RunReader
from headscope.storage.notebook import Notebook, columns_of, where_of
from headscope.storage.rows import HeadRuns, MethodStats
from headscope.storage.rows.charts import CHART_COLUMNS, CHART_SPLITS

if TYPE_CHECKING:
    from headscope.dashboard.pages.charts.drawn import Drawn
    from headscope.dashboard.pages.heads.query import Heads
    from headscope.dashboard.pages.methods.comparison import Comparison

Kind = Literal["histogram", "ecdf", "box", "scatter"]
KINDS: tuple[Kind, ...] = ("histogram", "ecdf", "box", "scatter")
LEFT_OUT = "left_out"
TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()


class Tables(Notebook):
    """What the pages say over many runs. `conditions` on runs are as in `runs`; where a page reads only some of very
    many runs, so does the frame, and its column `left_out` says so."""

    @cached_property
    def reader(self) -> RunReader:
        """What the pages read the store by, typed."""
        return repository.Store(self.url, self._engine, self._artifacts)

    def methods(self, *, by_prompt_set: bool = False, unconverged: bool = False, **conditions: Any) -> Frame:
        """The leaderboard of the Methods page: a row per method (`headscope.storage.rows.MethodStats`), with 95 %
        intervals of its gains (nats) and of its shares of verdicts, the most gain over random orders first.

        by_prompt_set: a row per method and prompt set. unconverged: results that did not converge count in means, too.
        """
        from headscope.dashboard.pages.methods import rows
        from headscope.dashboard.pages.methods.gains import intervals

        where, asked = where_of(conditions), {"by_prompt_set": by_prompt_set, "unconverged": unconverged}
        gains = intervals(self.reader.method_gains(where, **asked))
        known = columns_of(MethodStats)
        shape = pa.schema([*known, *((name, REAL) for name in rows.BOARD if name not in known.names)])
        return self._framed([*rows.board(self.reader.method_stats(where, **asked), gains)], shape)

    def agreement(self, *, top: int = 3, unconverged: bool = False, **conditions: Any) -> Frame:
        """Every two methods: Kendall's tau, overlap of their `top` tokens, agreement of signs, means over prompts with
        95 % intervals and n, as the Methods page has them."""
        from headscope.dashboard.pages.methods import rows

        found = self.comparison(top=top, unconverged=unconverged, **conditions)
        whole = [name for name in rows.AGREEMENT if name.startswith("not_") or name.endswith("_n")]
        shape = shape_of(rows.AGREEMENT, texts=("method_a", "method_b"), whole=whole)
        return self._said(rows.agreements(found, found.methods), shape, rows.sampled(found))

    def disputes(self, *, methods: Sequence[str] = (), unconverged: bool = False, **conditions: Any) -> Frame:
        """Prompts, the most disputed first: 1 - mean tau over pairs of these methods (of all, where none is named), and
        the two that are furthest apart. Raises UnknownNameError for a method without scores here."""
        from headscope.dashboard.pages.methods import rows
        from headscope.dashboard.pages.methods.comparison import disputes

        found = self.comparison(unconverged=unconverged, **conditions)
        for name in methods:
            if name not in found.methods:
                raise UnknownNameError("method", name, found.methods, "It has no score per token in these runs.")
        listed = (rows.disputed(item, item.run) for item in disputes(found, tuple(methods) or found.methods))
        shape = shape_of(rows.DISPUTES, texts=[name for name in rows.DISPUTES if name not in ("dispute", "tau")])
        return self._said(listed, shape, rows.sampled(found))

    def comparison(self, *, top: int = 3, unconverged: bool = False, **conditions: Any) -> Comparison:
        """What `agreement` and `disputes` are made of, typed."""
        from headscope.dashboard.pages.methods.comparison import MAX_RUNS, compare

        if top < 1:
            raise InputError(f"top is a number of tokens, 1 or more, not {top}.")
        sample = self.reader.position_scores(where_of(conditions), MAX_RUNS)
        return compare(sample.runs, sample.total, top, unconverged=unconverged)

    def head_stats(self, **conditions: Any) -> Frame:
        """Every statistic of every head of every model, over runs: n, mean, 95 % interval, spread and the labels of the
        head, as the Heads page has them; what a method was asked otherwise is apart (`quantity`, `params`)."""
        from headscope.dashboard.pages.heads import rows

        found = [(row, newest_said(heads)) for heads in self.head_maps(**conditions) for row in rows.of_heads(heads)]
        shape = shape_of((*rows.COLUMNS, LEFT_OUT), texts=(*rows.TEXTS, LEFT_OUT), whole=("layer", "head", "n"))
        return self._framed([row | {LEFT_OUT: said} for row, said in found], shape)

    def head_labels(self, **conditions: Any) -> Frame:
        """What every head is, with its evidence: a row for every mean that a label rests on, with its interval, n and
        the threshold beyond which all of it lies."""
        from headscope.dashboard.pages.heads import rows

        found = [(row, newest_said(heads)) for heads in self.head_maps(**conditions)
                 for row in rows.of_labels(heads, sorted(heads.labels))]  # fmt: skip
        texts = ("model", "label", "statistic", "asked", LEFT_OUT)
        shape = shape_of((*rows.LABELS, LEFT_OUT), texts=texts, whole=("layer", "head", "n"))
        return self._framed([row | {LEFT_OUT: said} for row, said in found], shape)

    def head_maps(self, **conditions: Any) -> tuple[Heads, ...]:
        """What `head_stats` is made of, typed: the heads of every model, most runs first."""
        from headscope.dashboard.pages.heads.query import by_model

        return (*by_model(self.reader.head_stats(where_of(conditions))),)

    def head_runs(self, model: str, layer: int, head: int, **conditions: Any) -> Frame:
        """One head run by run: a row for every run and statistic that it has, behind the page of a head. At most 2,000
        runs, a fixed random sample of more, as `left_out` says."""
        from headscope.dashboard.pages.heads import rows

        found, said = self.one_head(model, layer, head, **conditions)
        names = ("run_id", "text", "statistic", "quantity", "params")
        return self._said(rows.of_runs(found), shape_of((*names, "value"), texts=names), said)

    def one_head(self, model: str, layer: int, head: int, **conditions: Any) -> tuple[HeadRuns, str]:
        """What `head_runs` is made of, typed, and what is left out."""
        found = self.reader.head_runs(where_of({"model": model, **conditions}), layer, head)
        return found, sampled_said(len(found.run_id), found.total)

    def chart(
        self, x: str, y: str = "", *, kind: Kind | Literal[""] = "", by: str = "", log: bool = False, **conditions: Any
    ) -> Frame:
        """The numbers of a chart over runs, counted by the database: of a column its `histogram` (the default), `ecdf`
        or `box`; of two, x and y, a `scatter` (at most 5,000 runs, a fixed random sample of more). Values are in the
        units of the page (surprisal in bits). by: model, prompt_set, experiment, status, group_name or tags apart. log:
        bins of about equal ratio; what is not above 0 has no place.

        Raises UnknownNameError for another column (`headscope.storage.rows.charts.CHART_COLUMNS`), kind or split.
        """
        found = self.drawn(x, y, kind=kind, by=by, log=log, **conditions)
        whole = ("runs", "unmeasured", "outside_whiskers")
        return self._said(
            found.rows, shape_of(found.columns, texts=("series", "run_id"), whole=whole), drawn_said(found)
        )

    def drawn(
        self, x: str, y: str = "", *, kind: Kind | Literal[""] = "", by: str = "", log: bool = False, **conditions: Any
    ) -> Drawn:
        """What `chart` is made of, with its figure."""
        from headscope.dashboard.pages.charts.drawn import draw
        from headscope.dashboard.pages.charts.query import BY, ChartsQuery

        kind = kind or ("scatter" if y else "histogram")
        for what, name, known in (("chart", kind, KINDS), ("column", x, CHART_COLUMNS), ("split", by, CHART_SPLITS),
                                  ("column", y or x, CHART_COLUMNS)):  # fmt: skip
            if name not in known:
                raise UnknownNameError(what, name, known)
        if (kind == "scatter") != bool(y):
            raise InputError("a scatter is of two columns, x and y; every other chart is of one, x.")
        split = next(name for name, column in BY.items() if column == by)
        query = ChartsQuery(kind=kind, x=x, y=y or x, by=split, logx=log, logy=log)
        return draw(self.reader, query, where_of(conditions))

    def _said(self, rows: Iterable[Mapping[str, Any]], shape: pa.Schema, said: str) -> Frame:
        """The rows, each with what is left out of all."""
        return self._framed([{**row, LEFT_OUT: said} for row in rows], pa.schema([*shape, (LEFT_OUT, TEXT)]))


def shape_of(names: Sequence[str], *, texts: Collection[str] = (), whole: Collection[str] = ()) -> pa.Schema:
    """Columns of texts, whole numbers, and reals."""
    return pa.schema([(name, TEXT if name in texts else WHOLE if name in whole else REAL) for name in names])


def newest_said(heads: Heads) -> str:
    """Which runs are in these means, where they are not all."""
    return f"The newest {heads.read:,} of {heads.total:,} runs." if heads.read else ""


def sampled_said(read: int, total: int) -> str:
    """A sentence where not all runs were read, else ""."""
    return f"A fixed random sample: {read:,} of {total:,} runs." if read < total else ""


def drawn_said(found: Drawn) -> str:
    """What a chart leaves out."""
    below = f"{found.left_out:,} not above 0 are on no logarithmic axis." if found.left_out else ""
    return " ".join(filter(None, (sampled_said(*(found.sample or (0, 0))), below)))
