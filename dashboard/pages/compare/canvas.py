"""Arrays for the canvases of a comparison: assets/90_pages/compare/maps.js and lens.js draw them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from dash import html
from numpy.typing import NDArray

from headscope.dashboard.cards import extra


def packed(values: NDArray[np.floating]) -> str:
    """float32, little-endian, row by row, as base64; NaN stays NaN."""
    return b64encode(np.asarray(values).astype("<f4").tobytes()).decode()


def map_canvas(
    kind: str,
    name: str,
    values: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    limit: float,
    *,
    signed: bool,
    **more: Any,
) -> html.Div:
    """`values` `[row, column]` as a map with a read-out. `kind`: how a cell is read out and what a click does,
    `limit`: the end of the colour scale, `more`: what the kind needs beside."""
    view = {"kind": kind, "name": name, "rows": rows, "columns": columns, "limit": limit, "signed": signed,
            "values": packed(values), **more}  # fmt: skip
    return html.Div(className="hs-compare-map", **extra(data_compare_map=json.dumps(view)))
