"""Conditions on runs as SQL: whitelisted columns, bound values, LIKE patterns escaped, NULLs thought of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.storage.ids import parse_id
from headscope.storage.rows import RUN_COLUMNS, Condition, RunFilter, Sort
from headscope.storage.rows.filters import PARTS
from headscope.storage.schema import run_facets, runs
from headscope.storage.sql import bulk
from headscope.storage.sql.expressions import HasElement, HasText, IdBelow, InSelect, IsSpelled, Sorted
from headscope.storage.sql.folding import fold

Clause = ColumnElement[bool]
FACETS = ("model", "prompt_set", "experiment", "status", "error_kind", "tags")
MAX_INTEGER = 2**31 - 1
LONGEST = 10_000
"""DuckDB takes no regular expression of many more characters."""
TEXT_OPS = {"contains", "not_contains", "starts_with", "ends_with"}
OPS = {"eq", "ne", "lt", "le", "gt", "ge", "between", "in", "is_null", "not_null", *TEXT_OPS}


def column(name: str) -> sa.Column[Any]:
    """The column of `runs` behind a public name. Raises UnknownNameError."""
    if name not in RUN_COLUMNS:
        raise UnknownNameError("column", name, RUN_COLUMNS)
    return runs.c[name]


def clauses(where: RunFilter, *having: Clause) -> list[Clause]:
    """Every condition of a filter; `having` is what the newest are sought among, where it asks for those only. Raises
    UnknownNameError for a column or operator, InputError for a value."""
    found = [_clause(item, column(item.column)) for item in where.conditions if item.column not in FACETS]
    if ticked := facet_clauses(where):
        found.append(InSelect(runs.c.facet_id, sa.select(run_facets.c.id).where(*ticked)))
    if where.search.strip():
        found.append(HasText("contains", runs.c.search_text, fold(_bound_text(where.search))))
    if 0 < where.parts < PARTS:
        found.append(prompt_part() < f"{where.parts:03x}")
    if 0 < where.sample < PARTS:
        found.append(IdBelow(runs.c.id, where.sample))
    if where.newest:
        newest = sa.select(runs.c.id).where(*found, *having).order_by(*order(())).limit(where.newest)
        return [runs.c.id.in_(newest.correlate(None))]
    return found


def prompt_group() -> ColumnElement[str]:
    """What is drawn as one: a prompt of a set on every model, both sides of a pair. Without bound values: written as in
    the index `expr_runs_part`, or PostgreSQL would not find it."""
    pair, key = _literal("'pair '").concat(runs.c.pair_id), _literal("'key '").concat(runs.c.prompt_key)
    set_of = sa.func.coalesce(runs.c.prompt_set, _literal("''")).concat(_literal("chr(10)"))
    return set_of.concat(sa.func.coalesce(pair, key))


def prompt_part(digits: int = 3) -> ColumnElement[str]:
    """Which of `PARTS` it falls into: the first three hexadecimal digits of its hash. Fewer for fewer parts."""
    return sa.func.substr(sa.func.md5(prompt_group()), _literal("1"), _literal(str(digits)))


def _literal(sql: str) -> ColumnElement[str]:
    return sa.literal_column(sql, sa.String())


def clauses_on(conditions: Sequence[Condition], keys: Mapping[str, sa.Column[Any]]) -> list[Clause]:
    """Conditions as clauses on other columns than those of `runs`, by the name that they have there."""
    return [_clause(item, keys[item.column]) for item in conditions]


def written(where: RunFilter, dialect: sa.Dialect) -> str:
    """SELECT id FROM runs of a filter, its values in the text."""
    query = sa.select(runs.c.id).where(*clauses(where))
    plain: sa.Dialect = type(dialect)(paramstyle="named")  # type: ignore[call-arg]  # others double every %
    return str(query.compile(dialect=plain, compile_kwargs={"literal_binds": True}))


def facet_clauses(where: RunFilter, *, but: str = "") -> list[Clause]:
    """The conditions on facet columns, as clauses on `run_facets`; those on column `but` left out."""
    mine = (item for item in where.conditions if item.column in FACETS and item.column != but)
    return [_clause(item, run_facets.c[item.column]) for item in mine]


def order(sort: Sequence[Sort], *, backwards: bool = False) -> list[ColumnElement[Any]]:
    """Columns to order by, NULLs last, ties broken by id; newest first when nothing is asked. `backwards` is the exact
    reverse, for reading a deep page from the other end."""
    keys = [(column(item.column), item.descending) for item in sort if item.column != "id"]
    if not sort:
        keys = [(runs.c.created_at, True)]
    by_id = next((item.descending for item in sort if item.column == "id"), keys[-1][1] if keys else True)
    found: list[ColumnElement[Any]] = []
    for key, descending in keys:
        by: Any = key if key is runs.c.created_at else Sorted(key)
        by = sa.collate(by, "C") if isinstance(key.type, sa.String) else by
        directed = sa.desc(by) if descending != backwards else sa.asc(by)
        found.append((directed.nulls_first() if backwards else directed.nulls_last()) if key.nullable else directed)
    found.append(sa.desc(runs.c.id) if by_id != backwards else sa.asc(runs.c.id))
    return found


def _clause(condition: Condition, key: sa.Column[Any]) -> Clause:
    op, value = condition.op, condition.value
    if op not in OPS:
        raise UnknownNameError("operator", op, OPS)
    if op in {"is_null", "not_null"}:
        empty = sa.func.coalesce(sa.func.array_length(key, 1), 0) == 0 if _is_list(key) else key.is_(None)
        return empty if op == "is_null" else sa.not_(empty)
    if _is_list(key):
        return _list_clause(condition, key)
    if op in TEXT_OPS:
        return _text_clause(condition, key)
    if op in {"between", "in"}:
        if not isinstance(value, Sequence) or isinstance(value, str) or (op == "between" and len(value) != 2):
            raise InputError(f"{op} on {condition.column} needs {'two values' if op == 'between' else 'a list'}.")
        values = [_bind(condition.column, key, item) for item in value]
        return key.between(*values) if op == "between" else key.in_(values)
    bound = _bind(condition.column, key, value)
    simple: dict[str, Callable[[], Clause]] = {
        "eq": lambda: key == bound,
        "ne": lambda: key.is_distinct_from(bound),
        "lt": lambda: key < bound,
        "le": lambda: key <= bound,
        "gt": lambda: key > bound,
        "ge": lambda: key >= bound,
    }
    return simple[op]()


def _is_list(key: sa.Column[Any]) -> bool:
    return isinstance(key.type, sa.ARRAY)


def _list_clause(condition: Condition, key: sa.Column[Any]) -> Clause:
    """`eq` and `contains` mean that an element is the value, `in` that an element is one of them."""
    values = condition.value if condition.op == "in" else (condition.value,)
    if condition.op not in {"eq", "ne", "contains", "not_contains", "in"}:
        raise InputError(f"{condition.op} cannot be used on {condition.column}, which holds a list.")
    found = sa.or_(sa.false(), *(HasElement(key, _bound_text(value)) for value in values))
    return sa.not_(found) if condition.op in {"ne", "not_contains"} else found


def _text_clause(condition: Condition, key: sa.Column[Any]) -> Clause:
    text: Any = key
    if not isinstance(key.type, sa.String):
        if not isinstance(key.type, sa.Uuid):
            raise InputError(f"{condition.op} cannot be used on {condition.column}: it holds no text.")
        text = sa.cast(key, sa.String)
    how = condition.op.removeprefix("not_")
    folded = fold(_bound_text(condition.value))
    if len(folded) > LONGEST:
        raise InputError(f"the text to look for in {condition.column} is too long: {LONGEST:,} characters at most.")
    found: Clause = IsSpelled(how, text, folded)
    if folded.isascii():
        found = sa.or_(HasText(how, sa.func.lower(text), folded), found)
    if key.name == "text":  # `search_text` holds it folded: the rest is left with the few that may match
        found = sa.and_(HasText("contains", runs.c.search_text, folded), found)
    return sa.or_(key.is_(None), sa.not_(found)) if condition.op == "not_contains" else found


def _bind(name: str, key: sa.Column[Any], value: Any) -> Any:
    """The value as the column's type; what is written wrongly is said, not sent to the database."""
    try:
        if isinstance(key.type, sa.Integer):
            number = float(value)
            fits = number.is_integer() and abs(number) <= MAX_INTEGER
            return int(number) if fits else sa.literal(number, sa.Double())
        if isinstance(key.type, sa.Double):
            return float(value)
        if isinstance(key.type, sa.DateTime):
            return _moment(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{value!r} is no value for {name}: {error}") from error
    if isinstance(key.type, sa.Uuid):
        return parse_id(str(value)) or parse_id("0" * 32)  # an id nothing has
    return _bound_text(value)


def _bound_text(value: Any) -> str:
    """As texts are stored."""
    return bulk.storable(str(value))


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
