"""One store to read: a statement in, a table or rows out, in a transaction that writes nothing; from the file or the
database, or from the `headscope serve` that holds the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import pyarrow as pa
import sqlalchemy as sa

from headscope.analysis.errors import InputError
from headscope.analysis.types import Params
from headscope.storage import artifacts, served, served_engine, session
from headscope.storage.artifacts import ArtifactFolder
from headscope.storage.schema import versions

ARROW_TYPES = {
    16: pa.bool_(),
    20: pa.int64(),
    23: pa.int32(),
    25: pa.string(),
    700: pa.float32(),
    701: pa.float64(),
    1007: pa.list_(pa.int32()),
    1015: pa.list_(pa.string()),
    1021: pa.list_(pa.float32()),
    1043: pa.string(),
    1114: pa.timestamp("us"),
    1700: pa.float64(),
    2950: pa.string(),
}
"""By PostgreSQL's type oid; the others as Arrow infers them."""

Frame = Any
"""A pandas.DataFrame, or a pyarrow.Table from a handle opened with `frame="arrow"`."""


class Handle:
    """Opened by its address, until `close`."""

    def __init__(self, url: str, frame: Literal["pandas", "arrow"] = "pandas") -> None:
        if frame not in {"pandas", "arrow"}:
            raise InputError(f"frame must be 'pandas' or 'arrow', not {frame!r}.")
        self.url, self._frame = url, frame
        self._artifacts = ArtifactFolder(artifacts.location(url))
        self._server = None if session.is_ours(url) else served.server_of(url)
        self._engine = served_engine.open_engine(self._server) if self._server else session.open_reader(url)
        if self._server is not None:
            return
        try:
            versions.ensure(self._engine, create=False)
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mappings(self, statement: sa.Select[Any] | sa.CompoundSelect[Any]) -> Sequence[Mapping[Any, Any]]:
        """A statement's rows as a reader of the store gets them: by column, JSON read."""
        with session.reading(self._engine) as connection:
            return connection.execute(statement).mappings().all()

    def _read(self, statement: sa.sql.ClauseElement, params: Params | None = None) -> Frame:
        table = self._arrow(statement, params or {})
        return table if self._frame == "arrow" else table.to_pandas()

    def _arrow(self, statement: sa.sql.ClauseElement, params: Params) -> pa.Table:
        with session.reading(self._engine) as connection:
            return read_arrow(connection, statement, params)


def read_arrow(connection: sa.Connection, statement: sa.sql.ClauseElement, params: Mapping[str, Any]) -> pa.Table:
    """A statement's rows as an Arrow table; ids as text."""
    if connection.dialect.name == "duckdb":
        cursor: Any = connection.connection.cursor()
        cursor.execute(*_positional(connection.dialect, statement, params))
        return cursor.to_arrow_table()
    result = connection.execute(statement, params)  # type: ignore[call-overload]
    kinds = [ARROW_TYPES.get(column.type_code) for column in result.cursor.description]
    rows = result.all()
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in kinds]
    arrays = [_array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=list(result.keys()))


def _positional(
    dialect: sa.Dialect, statement: sa.sql.ClauseElement, params: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    """DuckDB's text of a statement, and the values of its parameters in their order."""
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    values = {**compiled.params, **params}
    names = getattr(compiled, "positiontup", None) or list(compiled.params)
    return str(compiled), [values[name] for name in names]


def _array(values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is None:
        return pa.array(values)
    if pa.types.is_string(kind) or pa.types.is_floating(kind):  # ids; averages of integers come as Decimal
        make = str if pa.types.is_string(kind) else float
        return pa.array([None if value is None else make(value) for value in values], kind)
    return pa.array(values, kind)
