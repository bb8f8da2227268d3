"""SQL that each database says in its own way, where the common way is several times slower on one of them."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from headscope.storage.sql import folding

ESCAPE = "\\"
AFFIXES = {"contains": ("%", "%"), "starts_with": ("", "%"), "ends_with": ("%", "")}


class Condition(FunctionElement[bool]):
    """True or false of its clauses. SQLAlchemy asks each class itself for `inherit_cache`, and warns of one without."""

    inherit_cache = False
    type = sa.Boolean()


class HasText(Condition):
    """Whether `text` contains, starts with or ends with `value`, taken literally: `contains()` and the like on DuckDB
    (5 times as fast as LIKE there), an escaped LIKE elsewhere (which a trigram index serves)."""

    name = "has_text"
    inherit_cache = False

    def __init__(self, how: str, text: Any, value: str) -> None:
        self.how = how
        before, after = AFFIXES[how]
        escaped = value.replace(ESCAPE, ESCAPE * 2).replace("%", f"{ESCAPE}%").replace("_", f"{ESCAPE}_")
        super().__init__(text, sa.literal(value, sa.String()), sa.literal(f"{before}{escaped}{after}", sa.String()))


@compiles(HasText)
def _like(element: HasText, compiler: SQLCompiler, **options: Any) -> str:
    text, _, pattern = list(element.clauses)
    return f"{compiler.process(text, **options)} LIKE {compiler.process(pattern, **options)}"


@compiles(HasText, "duckdb")
def _contains(element: HasText, compiler: SQLCompiler, **options: Any) -> str:
    text, value, _ = list(element.clauses)
    return f"{element.how}({compiler.process(text, **options)}, {compiler.process(value, **options)})"


class IsSpelled(Condition):
    """Whether a text beyond ASCII has `folded` when folded. One regular expression finds it several times as fast as
    folding every text would, and alike in all locales."""

    name = "is_spelled"
    inherit_cache = False

    def __init__(self, how: str, text: Any, folded: str) -> None:
        self.composes = folding.needs_composing(folded)
        super().__init__(text, sa.literal(folding.pattern(how, folded), sa.String()))


@compiles(IsSpelled)
def _regular(element: IsSpelled, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(item, **options) for item in element.clauses)
    composed = f"NORMALIZE({text}, NFC)" if element.composes else text
    return f"(octet_length({text}) <> char_length({text}) AND {composed} ~ {pattern})"


@compiles(IsSpelled, "duckdb")
def _regexp_matches(element: IsSpelled, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(item, **options) for item in element.clauses)
    composed = f"NFC_NORMALIZE({text})" if element.composes else text
    return f"(strlen({text}) <> length({text}) AND regexp_matches({composed}, {pattern}))"


class Worded(Condition):
    """A condition that each database has its own words for, with `{0}`, `{1}` in the places of its clauses."""

    inherit_cache = False
    postgresql: ClassVar[str]
    duckdb: ClassVar[str]


@compiles(Worded)
def _worded(element: Worded, compiler: SQLCompiler, **options: Any) -> str:
    words = element.duckdb if compiler.dialect.name == "duckdb" else element.postgresql
    return words.format(*(compiler.process(item, **options) for item in element.clauses))


class HasElement(Worded):
    """Whether an array has this element."""

    name = "has_element"
    inherit_cache = False
    postgresql = "{1} = ANY({0})"
    duckdb = "list_contains({0}, {1})"

    def __init__(self, array: Any, value: str) -> None:
        super().__init__(array, sa.literal(value))


class InSelect(Worded):
    """Whether a column has a value that a small SELECT finds. As an array PostgreSQL looks them up in an index;
    as a subquery it would join, and scan."""

    name = "in_select"
    inherit_cache = False
    postgresql = "{0} = ANY(ARRAY{1})"
    duckdb = "{0} IN {1}"

    def __init__(self, column: Any, found: sa.Select[Any]) -> None:
        super().__init__(column, found.scalar_subquery())


class InArray(Worded):
    """Whether a column of ids has one of many, written with commas between them: many values take longer to send than
    to look up."""

    name = "in_array"
    inherit_cache = False
    postgresql = "{0} = ANY(CAST(string_to_array({1}, ',') AS UUID[]))"
    duckdb = "{0} IN (SELECT unnest(CAST(string_split({1}, ',') AS UUID[])))"

    def __init__(self, column: Any, ids: str) -> None:
        super().__init__(column, sa.literal(ids, sa.String()))


class ScansFor(InArray):
    """The same of a table of which the rows are joined by their ids afterwards: DuckDB scans it and would join all of
    it. PostgreSQL looks rows up, and plans worse when told."""

    name = "scans_for"
    inherit_cache = False
    postgresql = "true"


class IdBelow(Worded):
    """Whether the last three hexadecimal digits of an id, random in a UUIDv7, are less than `number`."""

    name = "id_below"
    inherit_cache = False
    postgresql = "(get_byte(uuid_send({0}), 14) & 15) * 256 + get_byte(uuid_send({0}), 15) < {1}"
    duckdb = "right(CAST({0} AS VARCHAR), 3) < printf('%03x', CAST({1} AS INTEGER))"

    def __init__(self, column: Any, number: int) -> None:
        super().__init__(column, sa.literal(number, sa.Integer()))


class LeastId(Worded):
    """The first of a column of ids, None of none. PostgreSQL below 18 has no min of them; as text they sort alike."""

    name = "least_id"
    inherit_cache = False
    type: Any = sa.Uuid()
    postgresql = 'CAST(min(CAST({0} AS VARCHAR) COLLATE "C") AS UUID)'
    duckdb = "min({0})"


class LargestId(LeastId):
    """The last of them."""

    name = "largest_id"
    inherit_cache = False
    postgresql = 'CAST(max(CAST({0} AS VARCHAR) COLLATE "C") AS UUID)'
    duckdb = "max({0})"


class Sorted(Worded):
    """A column to sort a part of the runs by. PostgreSQL must not walk the column's index for it until it has met a
    page of those asked for: where they lie last in it, as unmeasured ones do, it looks all others up first."""

    name = "sorted"
    inherit_cache = False
    type: Any
    postgresql = "coalesce({0}, {0})"
    duckdb = "{0}"

    def __init__(self, column: sa.Column[Any]) -> None:
        self.type = column.type
        super().__init__(column)
