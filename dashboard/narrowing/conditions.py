"""Column filters: AG Grid's filter model, their form in a link (`n_tokens:ge:10`), and the store's conditions.

All three say the same; the link is in the units the grid shows. A filter this module does not know raises InputError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headscope.analysis.errors import InputError
from headscope.dashboard.narrowing.columns import BY_FIELD, DATE, INTEGER, NUMBER, TEXT, Column
from headscope.dashboard.narrowing.zone import viewer_zone
from headscope.storage.rows import Condition

TEXT_OPS = {"contains": "contains", "notContains": "not_contains", "equals": "eq", "notEqual": "ne",
            "startsWith": "starts_with", "endsWith": "ends_with"}  # fmt: skip
ORDER_OPS = {"equals": "eq", "notEqual": "ne", "lessThan": "lt", "lessThanOrEqual": "le", "greaterThan": "gt",
             "greaterThanOrEqual": "ge", "inRange": "between"}  # fmt: skip
DATE_OPS = {key: op for key, op in ORDER_OPS.items() if key in {"equals", "lessThan", "greaterThan", "inRange"}}
NULL_OPS = {"blank": "is_null", "notBlank": "not_null"}
OPS = {TEXT: TEXT_OPS, NUMBER: ORDER_OPS, INTEGER: ORDER_OPS, DATE: DATE_OPS}
WORDS = {
    "contains": "contains", "not_contains": "does not contain", "starts_with": "starts with", "ends_with": "ends with",
    "eq": "is", "ne": "is not", "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "between": "is between",
    "is_null": "is empty", "not_null": "is not empty",
}  # fmt: skip
RANGE = ".."
LARGEST = 1e18
"""The databases' whole numbers end soon after."""


@dataclass(frozen=True, slots=True)
class ColumnFilter:
    """One column filter; `value` and `upper` as written in the link, `upper` only for between."""

    column: Column
    op: str
    value: str = ""
    upper: str = ""

    @property
    def link(self) -> str:
        """Its form in a link."""
        if self.op in NULL_OPS.values():
            return f"{self.column.field}:{self.op}"
        return f"{self.column.field}:{self.op}:{self.value}{RANGE + self.upper if self.op == 'between' else ''}"

    @property
    def words(self) -> str:
        """Said to a person: "Tokens ≥ 10"."""
        value = f"{self.value} and {self.upper}" if self.op == "between" else self.value
        unit = f" {self.column.unit}" if self.column.unit and value else ""
        if self.column.kind == DATE and value:
            unit = f" ({viewer_zone()})"
        return f"{self.column.label} {WORDS[self.op]} {value}{unit}".strip()


def from_link(text: str) -> ColumnFilter:
    """Inverse of `ColumnFilter.link`."""
    field, _, rest = text.partition(":")
    op, _, value = rest.partition(":")
    column = BY_FIELD.get(field)
    if column is None:
        raise InputError(f"there is no column {field!r}")
    if op not in {*OPS[column.kind].values(), *NULL_OPS.values()}:
        raise InputError(f"the column {field!r} cannot be filtered by {op!r}")
    upper = ""
    if op == "between":
        value, _, upper = value.partition(RANGE)
    item = ColumnFilter(column, op, "" if op in NULL_OPS.values() else value, upper)
    item_conditions(item)
    return item


def from_model(model: Mapping[str, Any]) -> tuple[ColumnFilter, ...]:
    """Read AG Grid's filter model; conditions joined by AND become several filters, OR is refused."""
    found: list[ColumnFilter] = []
    for field, entry in model.items():
        column = BY_FIELD.get(field)
        if column is None:
            raise InputError(f"there is no column {field!r}")
        if entry.get("operator") == "OR":
            raise InputError("conditions joined by OR cannot be used here: use two views, or SQL.")
        found += [_from_entry(column, part) for part in entry.get("conditions") or [entry]]
    return tuple(found)


def _from_entry(column: Column, entry: Mapping[str, Any]) -> ColumnFilter:
    kind = str(entry.get("type"))
    if kind in NULL_OPS:
        return ColumnFilter(column, NULL_OPS[kind])
    if kind not in OPS[column.kind]:
        raise InputError(f"the column {column.field!r} cannot be filtered by {kind!r}")
    keys = ("dateFrom", "dateTo") if column.kind == DATE else ("filter", "filterTo")
    values = [_text(entry.get(key)) for key in keys]
    if column.kind == DATE:
        values = [value[:10] for value in values]
    item = ColumnFilter(column, OPS[column.kind][kind], values[0], values[1] if kind == "inRange" else "")
    item_conditions(item)
    return item


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def to_model(filters: Sequence[ColumnFilter]) -> dict[str, Any]:
    """AG Grid's filter model of these filters; one condition per column, the last one named wins."""
    model: dict[str, Any] = {}
    for item in filters:
        kind = item.column.kind
        types = {op: name for name, op in (OPS[kind] | NULL_OPS).items()}
        entry: dict[str, Any] = {"filterType": "number" if item.column.is_numeric else kind, "type": types[item.op]}
        if item.op not in NULL_OPS.values():
            lower, upper = ("dateFrom", "dateTo") if kind == DATE else ("filter", "filterTo")
            entry[lower] = _model_value(item.value, item.column)
            if item.op == "between":
                entry[upper] = _model_value(item.upper, item.column)
        model[item.column.field] = entry
    return model


def _model_value(text: str, column: Column) -> str | float:
    if column.is_numeric:
        return float(text)
    return f"{text[:10]} 00:00:00" if column.kind == DATE else text


def item_conditions(item: ColumnFilter) -> tuple[Condition, ...]:
    """The store's conditions, in its units. Raises InputError for a value that does not fit the column."""
    field, column = item.column.field, item.column
    if item.op in NULL_OPS.values():
        return (Condition(field, item.op),)
    if column.kind == TEXT:
        return (Condition(field, item.op, item.value),)
    if column.kind == DATE:
        return _date_conditions(item)
    return _number_conditions(item)


def _number_conditions(item: ColumnFilter) -> tuple[Condition, ...]:
    """A measured number is equal to what the grid shows for it: within half of the last decimal."""
    field, column = item.column.field, item.column
    value = _number(item.value, column)
    if item.op == "between":
        return (Condition(field, "between", (value * column.per_unit, _number(item.upper, column) * column.per_unit)),)
    if column.kind == NUMBER and item.op == "eq":
        half = 0.5 * 10**-column.decimals
        return (Condition(field, "between", ((value - half) * column.per_unit, (value + half) * column.per_unit)),)
    exact = int(value) if column.kind == INTEGER and value.is_integer() else value * column.per_unit
    return (Condition(field, item.op, exact),)


def _number(text: str, column: Column) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if math.isnan(value):
        raise InputError(f"{text!r} is not a number, which {column.label!r} needs")
    if abs(value) > LARGEST:
        raise InputError(f"{text!r} is too large a number for {column.label!r}")
    return value


def _date_conditions(item: ColumnFilter) -> tuple[Condition, ...]:
    """Whole days of the viewer's zone, from 00:00 to before the next 00:00, as moments of UTC."""
    field, start, after = item.column.field, *_day(item.value, item.column)
    if item.op == "lt":
        return (Condition(field, "lt", start),)
    if item.op == "gt":
        return (Condition(field, "ge", after),)
    end = after if item.op == "eq" else _day(item.upper, item.column)[1]
    return (Condition(field, "ge", start), Condition(field, "lt", end))


def _day(text: str, column: Column) -> tuple[datetime, datetime]:
    """When a day begins and when the next one does; a day on which clocks change has another length than others."""
    try:
        day = datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=viewer_zone())
        return day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC)  # the calendar's last day has no next one
    except (ValueError, OverflowError):
        raise InputError(f"{text!r} is not a date like 2026-01-31, which {column.label!r} needs") from None
