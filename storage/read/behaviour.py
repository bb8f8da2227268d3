"""Reading what models did over many runs, as columns: distributions, pairs, scores of probes and classifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.statistics.answers import has_answer
from headscope.analysis.statistics.first_layer import StateNorms
from headscope.analysis.types import RunStatus
from headscope.storage import session
from headscope.storage.columns.values import floats
from headscope.storage.ids import parse_id
from headscope.storage.read import counts, filters, spans
from headscope.storage.read.spans import Span
from headscope.storage.rows import FindingRow, FindingSample, LensRanks, Measures, ModelSettings, RunFilter
from headscope.storage.schema import (
    capsules,
    layer_summaries,
    models,
    probe_results,
    run_details,
    runs,
)

R, L, P = runs.c, layer_summaries.c, probe_results.c
NUMBERS = tuple(name for name, kind in Measures.__annotations__.items() if kind == "Float64")
WORDS = tuple(name for name, kind in Measures.__annotations__.items() if kind.startswith("tuple"))
COLUMNS: dict[str, sa.ColumnElement[Any]] = {"run_id": R.id.label("run_id"), "group": R.group_name.label("group")}
FINDING = ("probe", "label", "score", "evidence")


class BehaviourReader:
    """The part of `headscope.storage.interfaces.RunReader` that reads many runs at once."""

    engine: Engine
    _counts: counts.Counts
    _samples: counts.Counts

    def measures(self, where: RunFilter, limit: int = 20_000) -> Measures:
        """See `RunReader.measures`."""
        clauses = [*filters.clauses(where), R.status == RunStatus.SUCCEEDED.value]
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            key = ("measures", repr(where), limit)
            return self._samples.get(key, version, lambda: _measures(connection, clauses, limit, version))

    def model_settings(self, where: RunFilter) -> tuple[ModelSettings, ...]:
        """See `RunReader.model_settings`."""
        with session.reading(self.engine) as connection:
            key, version = ("settings", repr(where)), counts.version(connection)
            span = Span(tuple(filters.clauses(where)))
            if not where.newest:
                span = spans.kept(connection, self._counts, version, where)
            return self._samples.get(key, version, lambda: _settings(connection, span))

    def lens_ranks(self, where: RunFilter, limit: int = 5_000) -> tuple[LensRanks, ...]:
        """See `RunReader.lens_ranks`."""
        clauses = [*filters.clauses(where), L.lens_rank.isnot(None)]
        shown = (R.id, R.model, L.lens_rank, L.lens_target_rank, R.target, R.group_name)
        query = sa.select(*shown).join_from(layer_summaries, runs, R.id == L.run_id)
        with session.reading(self.engine) as connection:
            rows = connection.execute(sampled(query.where(*clauses), limit)).all()
        return tuple(
            LensRanks(str(run_id), model, layers(ranks), layers(of_target), has_answer(target, group))
            for run_id, model, ranks, of_target, target, group in rows
        )

    def state_norms(self, run_ids: Sequence[str]) -> Mapping[str, StateNorms]:
        """See `RunReader.state_norms`."""
        keys = [key for key in map(parse_id, dict.fromkeys(run_ids)) if key is not None]
        chosen = (L.run_id, L.n_layers, L.residual_norms, L.attn_update_norm)
        query = sa.select(*chosen).where(L.run_id.in_(keys), L.residual_norms.isnot(None))
        with session.reading(self.engine) as connection:
            return {
                str(run_id): StateNorms(floats(residual).reshape(n_layers, -1), floats(attention))
                for run_id, n_layers, residual, attention in connection.execute(query)
            }

    def findings(
        self, where: RunFilter, probes: Sequence[str], labels: Sequence[str] = (), offset: int = 0, limit: int = 5_000
    ) -> tuple[FindingRow, ...]:
        """See `RunReader.findings`."""
        query = _findings().where(*filters.clauses(where), P.probe.in_(probes))
        if labels:
            query = query.where(P.label.in_(labels))
        query = query.order_by(P.score.desc().nulls_last(), R.id, P.probe).offset(offset).limit(limit)
        with session.reading(self.engine) as connection:
            return tuple(_finding(row) for row in connection.execute(query).mappings())

    def finding_sample(self, where: RunFilter, probe: str, limit: int = 20_000) -> FindingSample:
        """See `RunReader.finding_sample`."""
        query = _findings().where(*filters.clauses(where), P.probe == probe)
        with session.reading(self.engine) as connection:
            total = int(connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one())
            rows = connection.execute(sampled(query, limit)).mappings()
            return FindingSample(tuple(_finding(row) for row in rows), total)


def sampled(query: sa.Select[Any], limit: int, run_id: sa.ColumnElement[Any] = R.id) -> sa.Select[Any]:
    """At most `limit` rows about runs: as good as random, and the same ones every time."""
    return query.order_by(sa.func.md5(sa.cast(run_id, sa.String))).limit(limit)


def _findings() -> sa.Select[Any]:
    shown = [R.id.label("run_id"), *(R[name] for name in ("model", "prompt_set", "prompt_key", "text"))]
    return sa.select(*shown, *(P[name] for name in FINDING)).join_from(probe_results, runs, R.id == P.run_id)


def _finding(row: Mapping[Any, Any]) -> FindingRow:
    return FindingRow(**{**row, "run_id": str(row["run_id"])})


def _settings(connection: Connection, span: Span) -> tuple[ModelSettings, ...]:
    clauses = (*span.clauses, R.status == RunStatus.SUCCEEDED.value, *span.over(run_details.c.run_id))
    keys = (R.model, R.model_id, run_details.c.capsule_id)
    joined = runs.join(run_details, run_details.c.run_id == R.id)
    groups = sa.select(*keys, sa.func.count().label("n")).select_from(joined).where(*clauses).group_by(*keys).subquery()
    query = sa.select(groups.c.model, models.c.dtype, capsules.c.content, groups.c.n).select_from(
        groups.join(models, models.c.id == groups.c.model_id).join(capsules, capsules.c.id == groups.c.capsule_id)
    )
    found: Counter[tuple[str, str, str, bool, bool, bool]] = Counter()
    for model, dtype, content, n in connection.execute(query):
        chosen = (bool(content.get(name)) for name in ("start_token", "chat", "interventions"))
        found[model, dtype, str(content.get("device") or ""), *chosen] += n
    rows = sorted(found.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    return tuple(ModelSettings(*key[:-1], n, changed=key[-1]) for key, n in rows)


def _measures(connection: Connection, clauses: Sequence[filters.Clause], limit: int, version: int) -> Measures:
    total = int(connection.execute(sa.select(sa.func.count()).select_from(runs).where(*clauses)).scalar_one())
    query = measured().where(*clauses)
    cut = total > limit
    rows = whole_pairs(connection, query, limit) if cut else connection.execute(query.order_by(R.id)).all()
    return measures_of(rows, total, version)


def measured() -> sa.Select[Any]:
    """The columns of `Measures`, of every run."""
    return sa.select(*(COLUMNS[name] if name in COLUMNS else R[name] for name in (*WORDS, *NUMBERS)))


def measures_of(rows: Sequence[Any], total: int, version: int) -> Measures:
    """Rows of `measured` as columns."""
    found = list(zip(*rows, strict=True)) or [()] * len((*WORDS, *NUMBERS))
    words: dict[str, Any] = dict(zip(WORDS, found[: len(WORDS)], strict=True))
    words["run_id"] = tuple(str(item) for item in words["run_id"])
    words["tags"] = tuple(tuple(item) for item in words["tags"])
    values: dict[str, Any] = {name: numbers(column) for name, column in zip(NUMBERS, found[len(WORDS) :], strict=True)}
    return Measures(**words, **values, total=total, version=version)


def whole_pairs(connection: Connection, query: sa.Select[Any], limit: int) -> Sequence[Any]:
    """A fixed random sample of at most `limit` runs; of a pair of a prompt set all runs or none, whatever their model.
    A pair of more runs than that has no other way than to be cut."""
    pair = sa.func.coalesce(R.prompt_set, "") + "/" + R.pair_id
    drawn = sa.func.md5(sa.func.coalesce(pair, sa.cast(R.id, sa.String))).label("drawn")
    rows = connection.execute(query.add_columns(drawn).order_by(drawn, R.id).limit(limit + 1)).all()
    kept = [row for row in rows if row.drawn != rows[-1].drawn] or rows[:limit]
    return [row[:-1] for row in kept]


def layers(values: Sequence[float | None] | None) -> NDArray[np.float32]:
    """An array per layer with NaN where it is NULL; empty where there is none."""
    return np.array([np.nan if value is None else value for value in values or ()], dtype=np.float32)


def numbers(column: Sequence[Any]) -> NDArray[np.float64]:
    """A column with NaN where it is NULL."""
    return np.array([np.nan if value is None else value for value in column], dtype=np.float64)
