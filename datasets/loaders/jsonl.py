"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from analysis.errors import InputError
from datasets.loaders.text_lines import BOM, decode, numbered_lines
from datasets.schema import Problems, Row


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each line that is not blank; a line that is no JSON object is a problem."""
    for number, line in numbered_lines(stream):
        if not line.strip():
            continue
        text, not_utf8 = decode(line)
        where = f"line {number}"
        values = _object(text, where, problems)
        if values is not None:
            yield Row(where, values, not_utf8)


def _object(text: str, where: str, problems: Problems) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if where == "line 1" and text.strip() in {"[", "{"}:  # a whole JSON document: every line would be a problem
            raise InputError(f"{problems.source} {_DOCUMENT}", kind="prompt_file") from error
        problems.add(where, f", character {error.pos + 1}: not JSON: {error.msg}.")
        return None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets a thousand deep
        problems.add(where, f": not usable as JSON: {error}.")
        return None
    if not isinstance(value, dict):
        problems.add(where, f': expected an object like {{"text": "..."}}, found {_KINDS[type(value)]}.')
        return None
    return value


_KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}
_DOCUMENT = (
    "is one JSON document over many lines; a prompt file holds one object a line (JSON lines). "
    "`jq -c '.[]' FILE.json > FILE.jsonl` turns an array into that."
)


def looks_like_jsonl(data: bytes) -> bool:
    """Whether the first line is an object with a `text`."""
    first = data.removeprefix(BOM).lstrip().split(b"\n", 1)[0]
    if not first.startswith(b"{"):
        return False
    try:
        value = json.loads(decode(first)[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "text" in value
