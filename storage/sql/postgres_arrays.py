"""Arrays as PostgreSQL sends them. Needs psycopg, which only PostgreSQL's extra installs: imported where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.adapt import Loader
from psycopg.pq import Format

REALS = 1021
"""PostgreSQL's number of the type real[]."""
HEADER, ELEMENT = 20, np.dtype([("bytes", ">i4"), ("value", ">f4")])
"""Before the elements of an array of one dimension: dimensions, whether any is NULL, type, length, first index."""


class Reals(Loader):
    """real[] as PostgreSQL sends it."""

    format = Format.BINARY

    def load(self, data: Any) -> NDArray[np.float32]:
        """A vector, NaN where an element is NULL."""
        found = bytes(data)
        if not any(found[:4]):
            return np.empty(0, dtype=np.float32)
        if not any(found[4:8]):
            return np.frombuffer(found, ELEMENT, offset=HEADER)["value"].astype(np.float32)
        values, at = [], HEADER
        while at < len(found):
            known = found[at : at + 4] != b"\xff" * 4
            values.append(np.frombuffer(found, ">f4", 1, at + 4)[0] if known else np.nan)
            at += 8 if known else 4
        return np.array(values, dtype=np.float32)
