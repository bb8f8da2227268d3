"""Plain text: every line is a prompt, exactly as it stands; a blank line is an empty prompt."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from headscope.datasets.schema import Problems, Row

BOM = b"\xef\xbb\xbf"


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each line; a line of text has no problems."""
    for number, line in numbered_lines(stream):
        text, not_utf8 = decode(line)
        yield Row(f"line {number}", {"text": text}, not_utf8)


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines from 1 without their line end and without a byte order mark.

    A line ends in LF or CRLF; in CR where the whole file has no LF, as files of old Macs do.
    """
    first = stream.readline().removeprefix(BOM)
    if not first.endswith(b"\n"):  # all there is
        yield from enumerate(first.removesuffix(b"\r").split(b"\r") if first else (), 1)
        return
    for number, line in enumerate(chain([first], stream), 1):
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def decode(line: bytes) -> tuple[str, bool]:
    """The text of a line and whether it was not UTF-8; then each bad byte is a lone surrogate."""
    try:
        return line.decode(), False
    except UnicodeDecodeError:
        return line.decode(errors="surrogateescape"), True
