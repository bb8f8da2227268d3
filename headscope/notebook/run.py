"""One run in a notebook: its facts, its figures, and all of them below each other without a server."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from headscope.analysis.errors import InputError
from headscope.dashboard.text import quoted
from headscope.dashboard.units import probability
from headscope.dashboard.words import DASH
from headscope.notebook.run_figures import Attention, RunFigures
from headscope.storage.rows import Offence, RunDetail

Draw = Callable[[], go.Figure]
PAPER = "color:#16191d;background:#ffffff"
STYLE = f"font-family:system-ui,sans-serif;{PAPER};padding:8px"
CELL = f"text-align:left;vertical-align:top;{PAPER}"
"""Of every cell: notebooks colour tables themselves, JupyterLab's dark theme row by row."""


class Drawn:
    """HTML that a notebook shows as it is."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


class Run:
    """Made by `Store.run`. `detail` is everything the store has of it, as it may be seen; `figures` draws parts of it,
    `show` all."""

    def __init__(
        self,
        detail: RunDetail,
        why: Mapping[str, Offence],
        *,
        covered: bool,
        attention: Callable[[], Attention | None],
    ) -> None:
        self.detail = detail
        self.figures = RunFigures(detail, attention)
        self._why, self._covered = why, covered

    def __repr__(self) -> str:
        row = self.detail.row
        return f"<run {row.id}: {row.model} on {row.text!r}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='{CELL}'>{escape(name)}</th><td style='{CELL}'>{escape(value)}</td></tr>"
            for name, value in self._facts()
        )
        return f"<div style='{STYLE}'><table>{rows}</table></div>"

    def drawn(self) -> Drawn:
        """What `show` shows: one piece of HTML with everything it needs in it, about 5 MB of which are plotly.js."""
        parts = [self._repr_html_()]
        parts += [
            f"<h4 style='{STYLE};margin:0'>{escape(title)}</h4>{_div(figure)}" for title, figure in self._pictures()
        ]
        return Drawn(f"<script>{get_plotlyjs()}</script>{''.join(parts)}")

    def show(self) -> None:
        """Draw the run below the cell: facts, then every figure whose numbers it has. Nothing is fetched and no server
        runs.

        Raises InputError outside of a notebook.
        """
        display = getattr(builtins, "display", None)  # IPython puts it there
        if display is None:
            raise InputError(
                "show() draws in a notebook, and this is none. run.figures has the same figures, each with "
                "write_html(FILE)."
            )
        display(self.drawn())

    def _facts(self) -> Iterator[tuple[str, str]]:
        row = self.detail.row
        yield "prompt", row.text
        if self._why:
            said = ", ".join(f"{part} ({offence.said})" for part, offence in self._why.items())
            how = "The text is covered: run(id, offensive='shown') shows it." if self._covered else "The text is shown."
            yield "offensive", f"{said}. {how}"
        yield "model", f"{row.model}, {self.detail.model.ref.dtype}"
        yield "experiment", row.experiment
        if row.error:
            yield "failed", row.error
        if row.next_token is not None:
            chance = DASH if row.next_token_prob is None else probability(row.next_token_prob)
            yield "says next", f"{quoted(row.next_token)}, {chance}"
        if row.target is not None:
            yield "target", f"{quoted(row.target)}, rank {DASH if row.target_rank is None else row.target_rank}"
        if row.continuation:
            yield "continuation", row.continuation
        for item in self.detail.missing:
            yield f"{item.part}: not measured", item.reason

    def _pictures(self) -> Iterator[tuple[str, go.Figure]]:
        draw = self.figures
        asked: list[tuple[str, Draw]] = [
            ("Surprisal and entropy, by token", draw.surprisal),
            ("How the prediction forms, by layer", draw.formation),
            ("Logit lens", draw.lens),
            ("Where heads look: entropy", draw.heads),
            ("Attributions, by token", draw.attributions),
            *((f"What heads do: {name}", _bound(draw.effects, name)) for name in draw.effect_methods()),
            *((f"Parts that add up: {name}", _bound(draw.components, name))
              for name in draw.effect_methods("components")),
            *((f"Layer by token: {name}", _bound(draw.layers, name)) for name in draw.effect_methods("layers")),
            *((f"What each generated token rests on: {name}", _bound(draw.sources, name)) for name in
              draw.source_methods()),
        ]  # fmt: skip
        for title, make in asked:
            try:
                figure = make()
            except InputError:  # not measured, and `_facts` says what was asked for in vain
                continue
            yield title, figure


def _bound(draw: Callable[[str], go.Figure], name: str) -> Draw:
    return lambda: draw(name)


def _div(figure: go.Figure) -> str:
    html: Any = figure.to_html(full_html=False, include_plotlyjs=False, include_mathjax=False)
    return str(html)
