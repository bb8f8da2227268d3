"""CSV and TSV: the first line names the columns; quotes and line breaks inside quotes as spreadsheets write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from headscope.analysis.errors import InputError
from headscope.datasets.loaders.table import read_table
from headscope.datasets.schema import COLUMNS, NAMES, Problems, Row, missing_text


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each record with anything in it. Raises InputError for a header without `text`."""

    def check(where: str, header: Sequence[str]) -> None:
        if "text" not in header:
            advice = "A file of prompts without a header is read as plain text when its name ends in .txt."
            raise InputError(f"{problems.source} {where}{missing_text(filter(None, header))} {advice}", "prompt_file")

    for line in read_table(stream, problems, COLUMNS, check, numbers=NAMES):
        yield Row(line.where, line.cells, _has_bad_bytes(line.cells.values()))


def _has_bad_bytes(cells: Iterable[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return True
    return False
