"""Plain text: every line is a prompt, exactly as it stands; a blank line is an empty prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from datasets.schema import Problems, Row

BOM = b"\xef\xbb\xbf"


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each line; a line of text has no problems."""
    for number, line in numbered_lines(stream):
        text, not_utf8 = decode(line)
        yield Row(f"line {number}", {"text": text}, not_utf8)


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines from 1 without their line end (LF or CRLF) and without a byte order mark."""
    for number, raw in enumerate(stream, 1):
        line = raw.removeprefix(BOM) if number == 1 else raw
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def decode(line: bytes) -> tuple[str, bool]:
    """The text of a line and whether it was not UTF-8; then each bad byte is a lone surrogate."""
    try:
        return line.decode(), False
    except UnicodeDecodeError:
        return line.decode(errors="surrogateescape"), True
