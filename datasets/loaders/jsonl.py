"""JSON lines: one object a line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from headscope.analysis.errors import InputError
from headscope.datasets.loaders.text_lines import decode, numbered_lines
from headscope.datasets.schema import Problems, Row, shown


class DoubledKeyError(ValueError):
    """One object gives a key twice; which value was meant, nobody can tell."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"key {shown(key)} stands twice in one object; keep one")


def parse(text: str) -> Any:
    """What a JSON text says; NaN, which pandas writes for what is missing, is None.

    Raises DoubledKeyError, and what `json.loads` raises.
    """
    return json.loads(text, object_pairs_hook=_object_of, parse_constant=_CONSTANTS.__getitem__)


_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise DoubledKeyError(next(key for key in keys if keys.count(key) > 1))
    return values


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each line that is not blank; a line that is no JSON object is a problem.

    A text in `invalid`, as canonical lines have it, keeps a prompt that could not be read one that cannot be run.
    """
    for number, line in numbered_lines(stream):
        if not line.strip():
            continue
        text, not_utf8 = decode(line)
        where = f"line {number}"
        values = _object(text, where, problems)
        if values is not None:
            invalid = values.pop("invalid") if isinstance(values.get("invalid"), str) else None
            yield Row(where, values, not_utf8, invalid or None)


def _object(text: str, where: str, problems: Problems) -> dict[str, Any] | None:
    try:
        value = parse(text)
    except json.JSONDecodeError as error:
        if where == "line 1" and text.strip() in {"[", "{"}:  # a whole JSON document: every line would be a problem
            raise InputError(f"{problems.source} {_DOCUMENT}", kind="prompt_file") from error
        problems.add(where, f", character {error.pos + 1}: not JSON: {error.msg}.")
        return None
    except DoubledKeyError as error:
        problems.add(where, f": {error}.")
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
    first = next((line.lstrip() for _, line in numbered_lines(io.BytesIO(data)) if line.strip()), b"")
    if not first.startswith(b"{"):
        return False
    try:
        value = json.loads(decode(first)[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "text" in value
