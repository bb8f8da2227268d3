"""A number for each row and column as a map: heads by layer, the logit lens, attention, tokens by what they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from headscope.dashboard.figures.confidence import MOST_LABELS, token_axis
from headscope.dashboard.figures.theme import finish, signed_axis, unsigned_axis


@dataclass(frozen=True, slots=True)
class Grid:
    """values `[row, column]`, NaN where unmeasured; unit: of a value. rows, columns: their labels; row, column: what
    one is. signed: colours are symmetric about 0. texts `[row][column]`: written into the cells. downwards: the first
    row is on top."""

    values: NDArray[np.floating]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row: str
    column: str
    unit: str
    signed: bool
    texts: Sequence[Sequence[str]] = ()
    downwards: bool = False


def grid_figure(grid: Grid) -> go.Figure:
    """Heat map over positions of rows and columns; cells that were not measured are empty."""
    values = np.asarray(grid.values, dtype=np.float64)
    n_rows, n_columns = values.shape
    names = [[[row, column] for column in grid.columns] for row in grid.rows]
    number = "%{z:+.4g}" if grid.signed else "%{z:.4g}"
    written = {"text": [list(row) for row in grid.texts], "texttemplate": "%{text}"} if grid.texts else {}
    fig = go.Figure(
        go.Heatmap(
            z=values, x=list(range(n_columns)), y=list(range(n_rows)), coloraxis="coloraxis", xgap=1, ygap=1,
            customdata=names, hoverongaps=False, meta=grid.unit,
            hovertemplate=f"{grid.row} %{{customdata[0]}}, {grid.column} %{{customdata[1]}}<br>{number} %{{meta}}"
            + ("<br>%{text}" if written else "") + "<extra></extra>",
            **written,
        )
    )  # fmt: skip
    known = np.abs(values[np.isfinite(values)])
    limit = float(known.max()) if known.size and known.max() > 0 else 1.0
    axis = signed_axis(limit, grid.unit) if grid.signed else unsigned_axis(limit, grid.unit)
    fig.update_layout(coloraxis=axis)
    fig.update_xaxes(**(token_axis(grid.columns) | {"title": {"text": grid.column}}), showgrid=False)
    labels = token_axis(grid.rows) if n_rows <= MOST_LABELS else {}
    fig.update_yaxes(**(labels | {"title": {"text": grid.row}, "tickangle": 0}), showgrid=False,
                     autorange="reversed" if grid.downwards else True)  # fmt: skip
    return finish(fig, height=max(260, 17 * n_rows + 130))
