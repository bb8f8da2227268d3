"""Tags that say something measurable: `key:value`, written by importers and read by scores."""

from __future__ import annotations

from collections.abc import Iterable

CONTEXT = "context"
"""`context:57`: the first 57 characters of the text are context, given and not scored."""
DIFFERENT_START = "different_start"
"""The two sentences of a pair differ in their first word."""
TEMPLATE = "template"
"""`template:neighbour`: the wording that a prompt shares with others; together they are one observation."""


def format_name(name: str) -> str:
    """A published format's name as tags have it, however it was typed.

    >>> format_name("crows-pairs"), format_name("BBQ")
    ('crows_pairs', 'bbq')
    """
    return name.strip().lower().replace("-", "_")


def tag(key: str, value: object) -> str:
    """A tag that holds a value.

    >>> tag("context", 57)
    'context:57'
    """
    return f"{key}:{value}"


def value_of(tags: Iterable[str], key: str) -> str | None:
    """What the first tag with this key holds; None without one.

    >>> value_of(("bbq", "polarity:neg"), "polarity")
    'neg'
    """
    start = f"{key}:"
    return next((item[len(start) :] for item in tags if item.startswith(start)), None)
