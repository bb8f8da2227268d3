"""Offensive texts in files: covered by default, with what covers them in the text's place and in a column `offensive`.

`offensive=shown` in the address writes them out, `offensive=covered` covers them; without either a file is as the
viewer's own switch says. Whoever asks without a browser has no switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from flask import request

from headscope.analysis.errors import InputError
from headscope.dashboard.covered import SHOWN, shows_all
from headscope.storage.rows import Offence
from headscope.storage.rows.offensive import CONTINUATION, PROMPT

KEY, COLUMN = "offensive", "offensive"
OF_PROMPT, OF_CONTINUATION = ("text", "target", "foil"), ("continuation", "next_token")
Row = TypeVar("Row")


def shown() -> bool:
    """Whether this file has offensive texts. Raises InputError for a choice that is none."""
    choice = request.args.get(KEY)
    if choice not in (None, SHOWN, "covered"):
        raise InputError(f"{KEY} can be {SHOWN} or covered, not {choice!r}.")
    return shows_all() if choice is None else choice == SHOWN


def rest_of_query() -> str:
    """The address's query without that choice, which no page has."""
    pairs = parse_qsl(request.query_string.decode(errors="replace"), keep_blank_values=True)
    return urlencode([pair for pair in pairs if pair[0] != KEY])


def told(why: Mapping[str, Offence]) -> str:
    """The cell of the column: which part, and why; "" where nothing is offensive."""
    return "; ".join(f"{part}: {offence.said}" for part, offence in why.items())


def cover(row: Row, why: Mapping[str, Offence]) -> Row:
    """A frozen row with what covers its offensive texts in their place; target and foil were judged with the prompt,
    the next token begins the continuation."""
    change: dict[str, Any] = {}
    for part, names in ((PROMPT, OF_PROMPT), (CONTINUATION, OF_CONTINUATION)):
        if part in why:
            said = f"[covered: {why[part].said}]"
            change |= {name: said for name in names if getattr(row, name, None)}
    if why and getattr(row, "evidence", None):
        change["evidence"] = {"covered": told(why)}
    return replace(row, **change)  # type: ignore[type-var]
