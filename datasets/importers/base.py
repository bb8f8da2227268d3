"""What an importer is, and what all of them need: records of published files, named by file, line and column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headscope.analysis.errors import InputError
from headscope.datasets.loaders import jsonl
from headscope.datasets.loaders.table import read_table
from headscope.datasets.loaders.text_lines import decode, numbered_lines
from headscope.datasets.schema import Problems, Row

KIND = "prompt_file"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a published file: `where` names it for people, `values` are its columns as published."""

    where: str
    values: Mapping[str, Any]


def member(where: str, id_: str, text: str, group: str, pair: str, tags: Iterable[str]) -> Row:
    """One prompt of a pair, in our columns."""
    return Row(where, {"id": id_, "text": text, "group": group, "pair_id": pair, "tags": [*tags]})


@dataclass(slots=True)
class Source:
    """The file or folder being read, what is wrong with it, and what was left out on purpose (reason -> how many)."""

    path: Path
    problems: Problems
    left_out: Counter[str] = field(default_factory=Counter)

    def files(self, *patterns: str) -> list[Path]:
        """The path itself when it is a file, else the files of the folder that match, in order of their names.

        Raises InputError when the folder holds none.
        """
        if self.path.is_file():
            return [self.path]
        found = sorted({file for pattern in patterns for file in self.path.glob(pattern) if file.is_file()})
        if not found:
            raise InputError(f"{self.path} holds no {' or '.join(patterns)}: name the folder or file.", kind=KIND)
        return found

    def csv(
        self, file: Path, columns: Sequence[str], *, quoted: bool = True, numbers: Sequence[str] = ()
    ) -> Iterator[Record]:
        """Records of a table whose first line names the columns; `columns` must be among them (InputError).

        Columns of `numbers` that hold `1.0` only because others are missing give `1`.
        """

        def check(where: str, header: Sequence[str]) -> None:
            _check_header(where, header, columns)

        with file.open("rb") as stream:
            lines = read_table(
                stream, self.problems, columns, check, place=f"{file.name} ", quoted=quoted, numbers=numbers
            )
        yield from (Record(line.where, line.cells) for line in lines)

    def jsonl(self, file: Path, columns: Sequence[str]) -> Iterator[Record]:
        """One record for each line; a line that is no object, or lacks one of `columns`, is a problem."""
        inner = Problems(f"{self.problems.source} {file.name}", self.problems.messages)
        with file.open("rb") as stream:
            for row in jsonl.rows(stream, inner):
                record = Record(f"{file.name} {row.where}", row.values)
                if self.has(record, columns):
                    yield record

    def json(self, file: Path) -> Any:
        """The document in a file. Raises InputError naming line and column where it is not JSON."""
        try:
            return jsonl.parse(file.read_bytes().decode("utf-8-sig"))
        except json.JSONDecodeError as error:
            where = f"{file.name} line {error.lineno}, character {error.colno}"
            raise InputError(f"{where}: not JSON: {error.msg}.", kind=KIND) from error
        except jsonl.DoubledKeyError as error:
            raise InputError(f"{file.name}: {error}.", kind=KIND) from error
        except UnicodeDecodeError as error:
            raise InputError(f"{file.name}: not UTF-8 at byte {error.start}. Save it as UTF-8.", kind=KIND) from error

    def has(self, record: Record, columns: Iterable[str]) -> bool:
        """Whether every column is there; a problem for the first that is not."""
        for name in columns:
            if name not in record.values:
                self.problems.add_once(record.where, f", column {name}: missing; found {_names(record.values)}.")
                return False
        return True

    def one_of(self, record: Record, column: str, allowed: Sequence[str]) -> str | None:
        """The value of a column that knows few values; anything else is a problem, and None."""
        value = record.values.get(column)
        if isinstance(value, str) and value in allowed:
            return value
        self.problems.add(record.where, f", column {column}: expected {' or '.join(allowed)}, found {value!r}.")
        return None

    def text(self, record: Record, column: str) -> str | None:
        """A text that is not empty, without white space around it; anything else is a problem, and None."""
        value = record.values.get(column)
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.problems.add(record.where, f", column {column}: expected a text, found {value!r}.")
        return None


@dataclass(frozen=True, slots=True)
class Importer:
    """One published format. `reads`: which of its files; `rows`: their prompts in our columns."""

    name: str
    label: str
    licence: str
    purpose: str
    reads: str
    rows: Callable[[Source], Iterator[Row]]


def read_lines(file: Path) -> list[str]:
    """The lines of a text file as the loaders see them; a byte that is not UTF-8 becomes a lone surrogate."""
    with file.open("rb") as stream:
        return [decode(line)[0] for _, line in numbered_lines(stream)]


def _check_header(where: str, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        raise InputError(
            f"{where}, column {missing[0]}: missing; found {_names(header)}. Is this the published file?", kind=KIND
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
