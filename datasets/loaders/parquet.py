"""Parquet files, read batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

from headscope.analysis.errors import InputError
from headscope.datasets.loaders.text_lines import decode
from headscope.datasets.schema import Problems, Row, missing_text


def rows(stream: BinaryIO, problems: Problems) -> Iterator[Row]:
    """One row for each row of the table, from 1. Raises InputError when it is not Parquet or has no `text` column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(stream)
        if "text" not in table.schema_arrow.names:
            raise InputError(problems.source + missing_text(table.schema_arrow.names), kind="prompt_file")
        number = 0
        for batch in table.iter_batches(batch_size=8192):
            for values in batch.to_pylist():
                number += 1
                yield _row(f"row {number}", values)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{problems.source} cannot be read as Parquet: {error}", kind="prompt_file") from error


def _row(where: str, values: dict[str, Any]) -> Row:
    """Binary columns (text written without its type) are decoded; bytes that are not UTF-8 mark the row. NaN: None."""
    if not any(isinstance(value, bytes | float) for value in values.values()):
        return Row(where, values)
    texts, not_utf8 = dict(values), False
    for name, value in values.items():
        if isinstance(value, bytes):
            texts[name], bad = decode(value)
            not_utf8 = not_utf8 or bad
        elif isinstance(value, float) and math.isnan(value):
            texts[name] = None
    return Row(where, texts, not_utf8)
