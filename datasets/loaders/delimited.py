"""CSV and TSV: the first line names the columns; quotes and line breaks inside quotes as spreadsheets write them."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from typing import BinaryIO

from analysis.errors import InputError
from datasets.schema import COLUMNS, Problems, Row, missing_text

DELIMITERS = ",;\t"


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each record that is not blank; the delimiter is read off the header.

    A record whose number of cells is not the header's is a problem. Raises InputError for a header without `text`.
    """
    csv.field_size_limit(sys.maxsize)  # the default cuts off at 128 KiB, an over-long prompt may well be longer
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    header_line = lines.readline()
    delimiter = _delimiter(header_line)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(header_line, delimiter, problems.source)
    before = 0
    try:
        for cells in reader:
            where, before = f"line {before + 2}", reader.line_num
            if not cells:
                continue
            if len(cells) != len(header):
                problems.add(where, _ragged(cells, header))
                continue
            yield Row(where, dict(zip(header, cells, strict=True)), _has_bad_bytes(cells))
    except csv.Error as error:
        problems.add(f"line {before + 2}", f": not CSV: {error}. Is a quotation mark left open?")


def _delimiter(header_line: str) -> str:
    """The delimiter that finds most of the schema's columns in the header."""

    def hits(delimiter: str) -> int:
        return len(set(next(csv.reader([header_line], delimiter=delimiter), [])) & set(COLUMNS))

    return max(DELIMITERS, key=lambda delimiter: (hits(delimiter), header_line.count(delimiter)))


def _header(header_line: str, delimiter: str, source: str) -> list[str]:
    header = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter), [])]
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise InputError(f"{source} line 1: column {doubled[0]!r} stands there twice; rename one.", kind="prompt_file")
    if "text" not in header:
        advice = "A file of prompts without a header is read as plain text when its name ends in .txt."
        raise InputError(f"{source} line 1{missing_text(header)} {advice}", kind="prompt_file")
    return header


def _ragged(cells: list[str], header: list[str]) -> str:
    advice = "put quotation marks around a text that holds the delimiter" if len(cells) > len(header) else "fill it up"
    return f": {len(cells)} cells, the header names {len(header)} columns; {advice}."


def _has_bad_bytes(cells: list[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return True
    return False
