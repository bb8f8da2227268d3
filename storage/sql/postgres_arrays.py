"""Arrays as PostgreSQL sends them. Needs psycopg, which only PostgreSQL's extra installs: imported where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psycopg.adapt import Loader
from psycopg.pq import Format

HEADER = 20
"""Bytes before the elements of an array of one dimension: dimensions, whether any is NULL, type, length, first
index."""


class Reals(Loader):
    """real[] as PostgreSQL sends it."""

    format = Format.BINARY
    kind: ClassVar[np.dtype[Any]] = np.dtype(">f4")

    def load(self, data: Any) -> NDArray[np.floating[Any]]:
        """A vector, NaN where an element is NULL."""
        found, kind = bytes(data), self.kind
        if not any(found[:4]):
            return np.empty(0, dtype=kind.newbyteorder("="))
        if not any(found[4:8]):
            elements = np.frombuffer(found, [("bytes", ">i4"), ("value", kind)], offset=HEADER)
            return elements["value"].astype(kind.newbyteorder("="))
        values, at = [], HEADER
        while at < len(found):
            known = found[at : at + 4] != b"\xff" * 4
            values.append(np.frombuffer(found, kind, 1, at + 4)[0] if known else np.nan)
            at += 4 + kind.itemsize * known
        return np.array(values, dtype=kind.newbyteorder("="))


class Doubles(Reals):
    """double precision[] as PostgreSQL sends it."""

    kind = np.dtype(">f8")


LOADERS: Mapping[int, type[Loader]] = {1021: Reals, 1022: Doubles}
"""By PostgreSQL's number of the type."""
