"""Prompts from files of your own: JSON lines, CSV or TSV, Parquet, plain text, and standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from headscope.analysis.errors import InputError
from headscope.analysis.types import PromptSet
from headscope.datasets.canonical import canonical_sha256
from headscope.datasets.loaders import delimited, jsonl, parquet, text_lines
from headscope.datasets.schema import Problems, Row, read_prompts

Reader = Callable[[BinaryIO, Problems], Iterator[Row]]
READERS: dict[str, Reader] = {
    ".jsonl": jsonl.rows,
    ".ndjson": jsonl.rows,
    ".csv": delimited.rows,
    ".tsv": delimited.rows,
    ".parquet": parquet.rows,
    ".txt": text_lines.rows,
    ".text": text_lines.rows,
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def load_file(path: Path) -> PromptSet:
    """The prompts of a file, read by its ending. The set's version is the start of its sha256.

    Rows that are not UTF-8 are kept with `invalid` set; everything else that is wrong raises InputError, which names
    every bad row by line and column.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: a prompt file ends in {', '.join(READERS)}, which says how to read it. Rename it to fit.",
            kind="prompt_file",
        )
    try:
        with path.open("rb") as stream:
            return _load(stream, reader, path.name, path.stem, str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.", kind="prompt_file") from error


def load_stdin(stream: BinaryIO | None = None) -> PromptSet:
    """Prompts from standard input: JSON lines when the first line is an object with a `text`, else one a line."""
    data = (stream or sys.stdin.buffer).read()
    reader = jsonl.rows if jsonl.looks_like_jsonl(data) else text_lines.rows
    return _load(io.BytesIO(data), reader, "standard input", "stdin", "-")


def _load(stream: BinaryIO, reader: Reader, shown: str, name: str, source: str) -> PromptSet:
    start = stream.read(4)
    stream.seek(0)
    if not start:
        raise InputError(f"{shown} is empty: give it at least one prompt.", kind="prompt_file")
    if start[:2] in _UTF16:
        raise InputError(f"{shown} is UTF-16: save it as UTF-8 and try again.", kind="prompt_file")
    problems = Problems(shown)
    prompts, warnings = read_prompts(reader(stream, problems), problems)
    sha256 = canonical_sha256(prompts)
    return PromptSet(
        name=name,
        version=sha256[:12],
        licence="not stated",
        purpose=f"Prompts from {shown}",
        sha256=sha256,
        prompts=prompts,
        source=source,
        warnings=warnings,
    )
