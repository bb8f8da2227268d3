"""View state in the URL: a frozen dataclass per page, read from and written to the query string.

    class RunsQuery(QueryState):        # @dataclass(frozen=True, slots=True) as well
        model: tuple[str, ...] = ()
        page: int = number(0, low=0)
        view: str = choice("table", "cards")

Field types: `str`, `bool`, `int`, `float`, each or None, and `tuple[str, ...]` (the key repeated). Defaults are left
out of the query. What cannot be read falls back to its default and leaves a sentence in `notes`, which the page shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Self, get_args, get_type_hints
from urllib.parse import parse_qsl, quote, urlencode

Query = Mapping[str, str | Sequence[str]]
LARGEST = 1e9
"""No page, layer or threshold is beyond it, and the databases can count on from it."""
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def choice(default: str, *others: str) -> Any:
    """A str field that accepts only these values."""
    return field(default=default, metadata={"choices": (default, *others)})


def number(default: float | None, *, low: float = -math.inf, high: float = math.inf) -> Any:
    """An int or float field with inclusive bounds (the annotation decides which)."""
    return field(default=default, metadata={"low": low, "high": high})


def parse_query(search: str) -> dict[str, str | list[str]]:
    """`?a=1&b=2&b=3` to `{"a": "1", "b": ["2", "3"]}`: what a page's `layout(**query)` gets."""
    query: dict[str, str | list[str]] = {}
    for key, value in parse_qsl(search.removeprefix("?"), keep_blank_values=True):
        if key not in query:
            query[key] = value
        else:
            before = query[key]
            query[key] = [*([before] if isinstance(before, str) else before), value]
    return query


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryState:
    """Base of every page's state. `notes`: what in the link could not be used, in sentences for the user."""

    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_query(cls, query: str | Query) -> Self:
        """Read a query string (with or without `?`) or the mapping of `parse_query`. Never raises."""
        values = parse_query(query) if isinstance(query, str) else query
        hints, known = get_type_hints(cls), {item.name: item for item in fields(cls) if _has_key(item)}
        notes = [f"The link has “{_short(key)}”, which this page does not use; it was left out."
                 for key in values if key not in known]  # fmt: skip
        found: dict[str, Any] = {}
        for name in known.keys() & values.keys():
            try:
                found[name] = _read(hints[name], known[name], values[name])
            except ValueError as error:
                notes.append(f"“{name}” in the link {error}; the default is shown instead.")
        return cls(**found, notes=tuple(notes))

    def to_query(self) -> str:
        """The query string with `?`, or "" when everything is at its default."""
        return encoded(self.pairs())

    def pairs(self) -> list[tuple[str, str]]:
        """Its keys and values; a state within it has its own."""
        pairs: list[tuple[str, str]] = []
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, QueryState):
                pairs += value.pairs()
            elif _has_key(item) and value != _default(item) and value is not None:
                pairs += [(item.name, _write(part)) for part in (value if isinstance(value, tuple) else (value,))]
        return pairs


def encoded(pairs: Sequence[tuple[str, str]]) -> str:
    """Keys and values as a query string with `?`, "" for none."""
    return f"?{urlencode(pairs, quote_via=quote, safe='/:,')}" if pairs else ""


def _has_key(item: Field[Any]) -> bool:
    return item.name != "notes" and not isinstance(item.default, QueryState)


def _default(item: Field[Any]) -> Any:
    return item.default if item.default is not MISSING else None


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _read(hint: Any, item: Field[Any], raw: str | Sequence[str]) -> Any:
    """The value of one field; ValueError with the rest of a sentence."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None) and kind is not Ellipsis]
    if getattr(hint, "__origin__", None) is tuple:
        return (raw,) if isinstance(raw, str) else tuple(raw)
    text = raw if isinstance(raw, str) else raw[-1]
    if kinds == [bool]:
        return _bool(text)
    if kinds in ([int], [float]):
        return _number(kinds[0], item, text)
    choices = item.metadata.get("choices")
    if choices and text not in choices:
        raise ValueError(f"is “{_short(text)}”, but can be {', '.join(choices)}")
    return text


def _bool(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(f"is “{_short(text)}”, but can be 1 or 0")


def _number(kind: type[int] | type[float], item: Field[Any], text: str) -> float:
    low, high = max(item.metadata.get("low", -LARGEST), -LARGEST), min(item.metadata.get("high", LARGEST), LARGEST)
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"is “{_short(text)}”, which is not a {'whole ' if kind is int else ''}number") from None
    if not low <= value <= high:
        raise ValueError(f"is {_short(text)}, which is outside {low:g} to {high:g}")
    return value


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
