"""The store in a notebook: frames in one call, and the typed data that figures are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from headscope.analysis import bounds
from headscope.analysis.classifiers import rates
from headscope.analysis.classifiers.card import card
from headscope.analysis.classifiers.rates import ScoreCounts
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.counterfactual import contrasts
from headscope.analysis.statistics.effect_rows import EffectRow, effect_row
from headscope.analysis.statistics.model_rows import ModelsRow, as_row, model_rows
from headscope.analysis.types import Params, RunStatus
from headscope.storage import artifacts, schema
from headscope.storage.handle import Frame, Handle
from headscope.storage.ids import parse_id
from headscope.storage.read import behaviour, filters, model_pairs, offensive, pairs, toxicity
from headscope.storage.read.detail import detail
from headscope.storage.rows import (
    PAIR_MEASURES,
    RUN_COLUMNS,
    Condition,
    Measures,
    Offences,
    RunDetail,
    RunFilter,
    ScoreFilter,
    Sort,
)
from headscope.storage.rows.models import Flip, Sides

RATES = pa.schema(
    [(name, pa.string()) for name in ("group", "classifier", "part", "label")]
    + [("threshold", pa.float64())]
    + [(name, pa.int64()) for name in ("n", "unscored", "flagged")]
    + [(f"{kind}{end}", pa.float64()) for kind in ("raw", "corrected") for end in ("", "_low", "_high")]
    + [("reason", pa.string()), ("sensitivity", pa.float64()), ("specificity", pa.float64())]
    + [(name, pa.int64()) for name in ("positives", "negatives")]
    + [(name, pa.float64()) for name in ("mean", "mean_low", "mean_high")]
)

KINDS: dict[str, pa.DataType] = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "tuple[str, ...]": pa.string(),
}  # with commas between


def columns_of(row: type) -> pa.Schema:
    """Of a dataclass of plain values."""
    found = {name: str(kind) for name, kind in row.__annotations__.items()}
    return pa.schema([(name, KINDS[kind.removesuffix(" | None")]) for name, kind in found.items()])


EFFECTS = columns_of(EffectRow)


class Notebook(Handle):
    """Made by `headscope.open`. Every method gives a frame; unmeasured numbers are missing values. Frames of a view are
    of one run (its id), or of all runs that `runs` finds with the same search and conditions."""

    def runs(self, *, search: str = "", sort: str = "", limit: int | None = None, **conditions: Any) -> Frame:
        """Runs, newest first. `model="gpt2"` is equality, a list any of its values, None a missing value; other
        operators follow two underscores: `target_rank__le=10`, `text__contains="Paris"`. `sort="-margin"` descends.
        """
        where = where_of(conditions, search)
        order = filters.order([Sort(sort.removeprefix("-"), sort.startswith("-"))] if sort else [])
        columns = (filters.column(name).label(name) for name in RUN_COLUMNS)
        return self._read(sa.select(*columns).where(*filters.clauses(where)).order_by(*order).limit(limit))

    def tokens(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_tokens` of a run or of many: position, token, logprob, surprisal, rank, entropy."""
        return self._view("v_tokens", "position", run_id, where_of(conditions, search))

    def candidates(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_candidates`: what might have followed each token."""
        return self._view("v_candidates", "position, candidate_rank", run_id, where_of(conditions, search))

    def heads(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_heads`: a row per layer and head, a column per statistic."""
        return self._view("v_heads", "layer, head", run_id, where_of(conditions, search))

    def layers(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_layers`: a row per layer."""
        return self._view("v_layers", "layer", run_id, where_of(conditions, search))

    def lens(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_lens`: the logit lens, a row per layer and position."""
        return self._view("v_lens", "layer, position", run_id, where_of(conditions, search))

    def attributions(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_attribution_scores`: a row per method and token."""
        return self._view("v_attribution_scores", "method, target, position", run_id, where_of(conditions, search))

    def cells(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_attribution_cells`: every score of attributions over any axes, with its index along each."""
        return self._view("v_attribution_cells", "ordinal, a, b, c, d", run_id, where_of(conditions, search))

    def attribution_layers(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_attribution_layers`: where in the layers the evidence enters, for methods that know."""
        where = where_of(conditions, search)
        return self._view("v_attribution_layers", "method, target, layer, position", run_id, where)

    def attribution_heads(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_attribution_heads`: what passes through each head, for methods over tokens that know."""
        return self._view("v_attribution_heads", "method, target, layer, head", run_id, where_of(conditions, search))

    def receipts(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_receipts`: the evidence for each attribution."""
        return self._view("v_receipts", "ordinal", run_id, where_of(conditions, search))

    def model_checks(self, model: str | None = None) -> Frame:
        """Rows of `v_model_checks` that hold now: of one model (the name it was checked under) or of all."""
        which = "newest" if model is None else "newest AND model = :model"
        order = "model, weights_sha256, backend, dtype, device, ordinal"
        statement = sa.text(f"SELECT * FROM v_model_checks WHERE {which} ORDER BY {order}")
        return self._read(statement, {} if model is None else {"model": model})

    def removal_curves(self, run_id: str | None = None, *, search: str = "", **conditions: Any) -> Frame:
        """Rows of `v_removal_curves`: a row per method, masking and share of its tokens removed or kept."""
        return self._view("v_removal_curves", "ordinal, place, fraction", run_id, where_of(conditions, search))

    def toxicity_rates(self, experiment: str, *, percent: int = 0, by: str = "", **conditions: Any) -> Frame:
        """How many texts each classifier calls what, a row per classifier, part and label: raw with Wilson's interval,
        and corrected for the errors on the classifier's card (`headscope.analysis.statistics.prevalence`), with n,
        threshold and, where there is no corrected rate, the reason.

        percent: another threshold than the classifier's own. by: model, prompt_set or temperature apart; more
        `conditions` on runs as in `runs`.
        """
        found = self.score_counts(percent=percent, by=by, experiment=experiment, **conditions)
        return self._framed([rates.as_row(rates.rated(item, percent)) for item in found], RATES)

    def bias(self, experiment: str, *, measure: str = "margin", pooled: bool = False, **conditions: Any) -> Frame:
        """What the difference between groups does to a measure (margin, loglik, toxicity) in all counterfactual pairs
        of an experiment: a row per contrast, the surest first, with interval, p, d and n, worked out as on the Bias
        page (`headscope.analysis.statistics.effect_rows.EffectRow`).

        pooled: all tags of a prompt set in one row; more `conditions` on runs as in `runs`. Raises UnknownNameError
        for another measure.
        """
        rows = self.effects(experiment, measure=measure, pooled=pooled, **conditions)
        return self._framed([asdict(row) for row in rows], EFFECTS)

    def effects(
        self, experiment: str, *, measure: str = "margin", pooled: bool = False, **conditions: Any
    ) -> list[EffectRow]:
        """The rows of `bias`, typed."""
        if measure not in PAIR_MEASURES:
            raise UnknownNameError("measure", measure, PAIR_MEASURES)
        clauses = pairs.paired(where_of({"experiment": experiment, **conditions}))
        judge = ""
        if measure == "toxicity":
            counted = self._arrow(toxicity.judges(clauses), {}).to_pylist()
            judge = toxicity.most_of([tuple(row.values()) for row in counted], card().classifier)
        found = self._arrow(pairs.statement(clauses, measure, judge).order_by(schema.runs.c.id), {})
        rows = contrasts(pairs.members_of([column.to_pylist() for column in found.columns]), pooled=pooled)
        return [effect_row(measure, row) for row in rows]

    def models_beside(
        self, first: str, second: str, *, first_experiment: str = "", second_experiment: str = "", **conditions: Any
    ) -> Frame:
        """Two models over the prompts that both ran, as the Models page has it: a row per measure (accuracy of target
        over foil, margin, surprisal per character in nats, calibration) with both values, the second minus the first,
        95 % intervals, n and method (`headscope.analysis.statistics.model_rows.ModelsRow`).

        first_experiment, second_experiment: only runs of these, "" any; more `conditions` on prompts as in `runs`.
        """
        sides = Sides(first, second, first_experiment, second_experiment, where_of(conditions))
        found = model_pairs.read(self._mappings, sides)
        return self._framed([as_row(row) for row in model_rows(found.measured, found.cells)], columns_of(ModelsRow))

    def flips(
        self, first: str, second: str, *, first_experiment: str = "", second_experiment: str = "", which: str = "all",
        limit: int | None = None, **conditions: Any
    ) -> Frame:  # fmt: skip
        """The prompts behind `models_beside` on which one model prefers the target to the foil and the other does not,
        the largest change of margin (nats) first. which: `gained` where only the second does, `lost` where only the
        first does. Raises UnknownNameError for another."""
        sides = Sides(first, second, first_experiment, second_experiment, where_of(conditions))
        found = model_pairs.read_flips(self._mappings, sides, which, 0, limit)
        return self._framed([asdict(row) for row in found], columns_of(Flip))

    def attention(self, run_id: str) -> NDArray[np.float16] | None:
        """`[layer, head, query, key]`, None when it was not kept. Raises StorageError for a missing or damaged file."""
        if parse_id(run_id) is None:
            return None
        query = sa.text("SELECT * FROM artifacts WHERE run_id = CAST(:run_id AS UUID) AND kind = 'attention'")
        found = self._arrow(query, {"run_id": run_id}).to_pylist()
        return self._artifacts.get_attention(artifacts.row_of(found[0])) if found else None

    def detail(self, run_id: str) -> RunDetail:
        """One run, whole, as the Run page has it, but for the certificate of its model. Raises UnknownNameError when
        there is no such run."""
        return detail(self._mappings, run_id)

    def offensive(self, run_ids: Sequence[str]) -> Offences:
        """Which texts of these runs are offensive, and why: see `headscope.storage.interfaces.RunReader.offensive`."""
        return offensive.read(self._mappings, run_ids)

    def measures(self, **conditions: Any) -> Measures:
        """Every succeeded run that `runs` would find, as columns."""
        clauses = [*filters.clauses(where_of(conditions)), schema.runs.c.status == RunStatus.SUCCEEDED.value]
        query = behaviour.measured().where(*clauses).order_by(schema.runs.c.id)
        rows = [tuple(row.values()) for row in self._mappings(query)]
        return behaviour.measures_of(rows, len(rows), 0)

    def score_counts(self, *, percent: int = 0, by: str = "", **conditions: Any) -> tuple[ScoreCounts, ...]:
        """What the rates of `toxicity_rates` are made of, with how the scores are spread."""
        bounds.whole("percent", percent, 0, 99)
        counted = self._arrow(toxicity.counted(ScoreFilter(where_of(conditions)), rates.cuts(percent), by), {})
        return toxicity.summed([tuple(row.values()) for row in counted.to_pylist()])

    def sql(self, statement: str, params: Params | None = None) -> Frame:
        """Any reading statement; `:name` in it is taken from `params`."""
        return self._read(sa.text(statement), params)

    def _framed(self, rows: Sequence[Mapping[str, Any]], columns: pa.Schema | None) -> Frame:
        table = pa.Table.from_pylist(list(rows), columns)
        return table if self._frame == "arrow" else table.to_pandas()

    def _view(self, view: str, order: str, run_id: str | None, where: RunFilter) -> Frame:
        if (run_id is None) == (where == RunFilter()):
            raise InputError("say which runs: a run's id, or conditions as for `runs`, such as experiment=NAME.")
        if run_id is not None:
            statement = sa.text(f"SELECT * FROM {view} WHERE run_id = CAST(:run_id AS UUID) ORDER BY {order}")
            return self._read(statement, {"run_id": run_id})
        ids = sa.select(schema.runs.c.id).where(*filters.clauses(where))
        rows: sa.Select[Any] = (
            sa.select(sa.literal_column("*")).select_from(sa.table(view)).where(sa.column("run_id").in_(ids))
        )
        return self._read(rows.order_by(sa.text(f"run_id, {order}")))


def where_of(conditions: Mapping[str, Any], search: str = "") -> RunFilter:
    """The filter of `conditions` as `Notebook.runs` takes them. Raises InputError for one that is none."""
    return RunFilter(tuple(_condition(name, value) for name, value in conditions.items()), search)


def _condition(name: str, value: Any) -> Condition:
    column, _, op = name.partition("__")
    if op:
        return Condition(column, op, value)
    if value is None:
        return Condition(column, "is_null")
    if isinstance(value, list | tuple | set):
        return Condition(column, "in", tuple(value))
    return Condition(column, "eq", value)
