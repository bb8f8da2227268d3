"""SQL that each database says in its own way, where the common way is several times slower on one of them."""

from __future__ import annotations

import unicodedata
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

ESCAPE = "\\"
AFFIXES = {"contains": ("%", "%"), "starts_with": ("", "%"), "ends_with": ("%", "")}


class HasText(FunctionElement[bool]):
    """Whether `text` contains, starts with or ends with `value`, taken literally: `contains()` and the like on DuckDB
    (5 times as fast as LIKE there), an escaped LIKE elsewhere (which a trigram index serves). A value with more
    than one spelling of its lower case is compared folded."""

    name = "has_text"
    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, how: str, text: Any, value: str) -> None:
        self.how = how
        fold = needs_fold(value)
        before, after = AFFIXES[how]
        escaped = value.replace(ESCAPE, ESCAPE * 2).replace("%", f"{ESCAPE}%").replace("_", f"{ESCAPE}_")
        parts = (text, sa.literal(value, sa.String()), sa.literal(f"{before}{escaped}{after}", sa.String()))
        super().__init__(*(map(Fold, parts) if fold else parts))


@compiles(HasText)
def _like(element: HasText, compiler: SQLCompiler, **options: Any) -> str:
    text, _, pattern = list(element.clauses)
    return f"{compiler.process(text, **options)} LIKE {compiler.process(pattern, **options)}"


@compiles(HasText, "duckdb")
def _contains(element: HasText, compiler: SQLCompiler, **options: Any) -> str:
    text, value, _ = list(element.clauses)
    return f"{element.how}({compiler.process(text, **options)}, {compiler.process(value, **options)})"


class Fold(FunctionElement[str]):
    """A text as it is searched for: composed, in lower case, a final sigma like any other."""

    name = "fold"
    inherit_cache = True
    type = sa.String()


@compiles(Fold)
def _normalized(element: Fold, compiler: SQLCompiler, **options: Any) -> str:
    (text,) = list(element.clauses)
    return f"REPLACE(LOWER(NORMALIZE({compiler.process(text, **options)}, NFC)), 'ς', 'σ')"


@compiles(Fold, "duckdb")
def _nfc_normalized(element: Fold, compiler: SQLCompiler, **options: Any) -> str:
    (text,) = list(element.clauses)
    return f"REPLACE(LOWER(NFC_NORMALIZE({compiler.process(text, **options)})), 'ς', 'σ')"


def needs_fold(value: str) -> bool:
    """Whether its lower case is written in more than one way; all others are found without folding every row."""
    forms = {unicodedata.normalize(form, value) for form in ("NFC", "NFD")}
    return forms != {value} or "σ" in value.casefold()


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
