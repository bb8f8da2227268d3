"""Tables as text (CSV, TSV) in the shapes that spreadsheets and pandas leave them in, with their line numbers."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Literal

from headscope.analysis.errors import InputError
from headscope.datasets.schema import Problems, shown

DELIMITERS = ",;\t"
_BLANK = ' "\r\n' + DELIMITERS
_SEP = re.compile(r'"?sep=([^"\r\n])"?[,;\t]*\s*', re.IGNORECASE)
_WHOLE = re.compile(r"-?[0-9]+")
_POINT = re.compile(r"(-?[0-9]+)\.0")

_Quoting = Literal[0, 3]
CheckHeader = Callable[[str, Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a table; `where` is the line of the file that it begins in. Cells are texts by column."""

    where: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Record:
    where: str
    cells: list[str]


def read_table(
    stream: BinaryIO,
    problems: Problems,
    columns: Sequence[str],
    check: CheckHeader,
    *,
    place: str = "",
    quoted: bool = True,
    numbers: Sequence[str] = (),
) -> list[Line]:
    """The records below the first line that is not blank, which names the columns.

    The delimiter is what Excel's `sep=` line says, else the one that finds most of `columns` in the header. Left out:
    records with nothing in any cell, columns with neither name nor values. Kept as column `""`: a first column without
    a name whose cells are whole numbers, the row index of pandas. Anything else without a name, and records of another
    length, are problems. In the columns of `numbers`, `1.0` is `1` where pandas made floats of whole numbers. `check`
    may refuse the header by raising; `place` stands before every line number.

    Raises InputError for a column named twice.
    """
    header, *records = _records(stream, problems, columns, place, quoted)
    names = _header(header, problems.source)
    check(header.where, names)
    lines = _lines(names, [record for record in records if any(record.cells)], problems)
    meant = {name: cells for name in numbers if (cells := _whole_numbers(lines, name))}
    if not meant:
        return lines
    return [
        Line(line.where, {name: meant[name][cell] if name in meant else cell for name, cell in line.cells.items()})
        for line in lines
    ]


def _records(stream: BinaryIO, problems: Problems, columns: Sequence[str], place: str, quoted: bool) -> list[_Record]:
    """Every record from the header on; what comes after an open quotation mark is lost, and a problem."""
    csv.field_size_limit(sys.maxsize)  # the default cuts off at 128 KiB, an over-long prompt may well be longer
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    quoting: _Quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    first, skipped, delimiter = _opening(text, columns, quoting)
    before = skipped
    records: list[_Record] = []
    try:
        reader = csv.reader(chain([first], text), delimiter=delimiter, strict=quoted, quoting=quoting)
        for cells in reader:
            where, before = f"{place}line {before + 1}", skipped + reader.line_num
            records.append(_Record(where, cells))
    except csv.Error as error:
        problems.add(f"{place}line {before + 1}", f": not CSV: {error}. Is a quotation mark left open?")
        if not records:
            problems.raise_if_any()
    return records


def _whole_numbers(lines: Iterable[Line], column: str) -> dict[str, str]:
    """What the cells of a column of whole numbers mean that became floats because others are missing: `{"1.0": "1"}`.

    Empty when any cell holds something else, as in a column of versions (`1.0`, `1.1`): those are texts.
    """
    cells = {line.cells.get(column, "") for line in lines}
    found = {cell: match[1] for cell in cells if (match := _POINT.fullmatch(cell))}
    missing = {cell: "" for cell in cells if cell.lower() in {"", "nan"}}
    return found | missing if found and len(found) + len(missing) == len(cells) else {}


def _opening(lines: Iterable[str], columns: Sequence[str], quoting: _Quoting) -> tuple[str, int, str]:
    """The line the header begins in, how many stand before it, and the delimiter."""
    said = ""
    for number, line in enumerate(lines):
        if match := _SEP.fullmatch(line):
            said = said or match[1]
        elif line.strip(_BLANK + said):
            return line, number, said or _delimiter(line, columns, quoting)
    return "\n", 0, ","


def _delimiter(line: str, columns: Sequence[str], quoting: _Quoting) -> str:
    def hits(delimiter: str) -> int:
        cells = next(csv.reader([line], delimiter=delimiter, quoting=quoting), [])
        return len({cell.strip() for cell in cells} & set(columns))

    return max(DELIMITERS, key=lambda delimiter: (hits(delimiter), line.count(delimiter)))


def _header(record: _Record, source: str) -> list[str]:
    header = [name.strip() for name in record.cells]
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise InputError(
            f"{source} {record.where}: column {shown(doubled[0])} stands there twice; rename one.", kind="prompt_file"
        )
    return header


def _lines(header: Sequence[str], records: Sequence[_Record], problems: Problems) -> list[Line]:
    index = header[:1] == [""] and all(_WHOLE.fullmatch(record.cells[0]) for record in records)
    named = [at for at, name in enumerate(header) if name or (index and at == 0)]
    width = max(named, default=-1) + 1
    lines = []
    for record in records:
        cells = record.cells
        nameless = next((at for at, cell in enumerate(cells[: len(header)]) if cell and at not in named), None)
        if len(cells) < width:
            what = f"{_count(len(cells), 'cell')}, the header names {_count(width, 'column')}"
            problems.add(record.where, f": {what}; give each column a cell, empty where there is nothing.")
        elif any(cells[len(header) :]):
            what = f"{_count(len(cells), 'cell')}, the header names {_count(len(header), 'column')}"
            problems.add(record.where, f": {what}; put quotation marks around a text that holds the delimiter.")
        elif nameless is not None:
            what = f", column {nameless + 1}: it has values and the header has no name for it"
            problems.add_once(record.where, f"{what}; name the column, or empty it.")
        else:
            lines.append(Line(record.where, {header[at]: cells[at] for at in named}))
    return lines


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
