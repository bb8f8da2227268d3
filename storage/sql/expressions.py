"""SQL that each database says in its own way, where the common way is several times slower on one of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from headscope.storage.sql import folding

ESCAPE = "\\"
AFFIXES = {"contains": ("%", "%"), "starts_with": ("", "%"), "ends_with": ("%", "")}


class HasText(FunctionElement[bool]):
    """Whether `text` contains, starts with or ends with `value`, taken literally: `contains()` and the like on DuckDB
    (5 times as fast as LIKE there), an escaped LIKE elsewhere (which a trigram index serves)."""

    name = "has_text"
    inherit_cache = False
    type = sa.Boolean()

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


class IsSpelled(FunctionElement[bool]):
    """Whether a text beyond ASCII has `folded` when folded. One regular expression finds it several times as fast as
    folding every text would, and alike in all locales."""

    name = "is_spelled"
    inherit_cache = False
    type = sa.Boolean()

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


class HasElement(FunctionElement[bool]):
    """Whether an array has this element."""

    name = "has_element"
    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, array: Any, value: str) -> None:
        super().__init__(array, sa.literal(value))


@compiles(HasElement)
def _any(element: HasElement, compiler: SQLCompiler, **options: Any) -> str:
    array, value = list(element.clauses)
    return f"{compiler.process(value, **options)} = ANY({compiler.process(array, **options)})"


@compiles(HasElement, "duckdb")
def _list_contains(element: HasElement, compiler: SQLCompiler, **options: Any) -> str:
    array, value = list(element.clauses)
    return f"list_contains({compiler.process(array, **options)}, {compiler.process(value, **options)})"


class InSelect(FunctionElement[bool]):
    """Whether a column has a value that a small SELECT finds. As an array PostgreSQL looks them up in an index;
    as a subquery it would join, and scan."""

    name = "in_select"
    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: Any, found: sa.Select[Any]) -> None:
        super().__init__(column, found.scalar_subquery())


@compiles(InSelect)
def _any_array(element: InSelect, compiler: SQLCompiler, **options: Any) -> str:
    column, found = list(element.clauses)
    return f"{compiler.process(column, **options)} = ANY(ARRAY{compiler.process(found, **options)})"


@compiles(InSelect, "duckdb")
def _in(element: InSelect, compiler: SQLCompiler, **options: Any) -> str:
    column, found = list(element.clauses)
    return f"{compiler.process(column, **options)} IN {compiler.process(found, **options)}"
