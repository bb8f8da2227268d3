"""Plain tables and lists, and how numbers, tokens and times are written in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard.cards import extra
from headscope.dashboard.units import utc_iso
from headscope.storage.rows import StoredCertificate


def table(head: Sequence[str], rows: Sequence[html.Tr], *, rows_open: bool = False) -> Component:
    """A table; a head ending in ">" is a right-aligned number column (its cells have the class `num`). With `rows_open`
    the keys j, k and Enter walk the rows and open each row's `data-href`."""
    cells = [html.Th(name.removesuffix(">"), className="num" if name.endswith(">") else "") for name in head]
    attributes = extra(data_rows="open") if rows_open else {}
    return html.Div(
        html.Table([html.Thead(html.Tr(cells)), html.Tbody(list(rows))], className="hs-table", **attributes),
        className="hs-scroll-x",
    )


def counted(name: str, count: int, href: str, detail: str = "", more: str = "") -> html.Li:
    """A name with a count, both leading to the runs; under it two lines."""
    under = [html.Span(line, className="hs-sub") for line in (detail, more) if line]
    lines = [html.Span(name, className="hs-ellipsis"), *under]
    number = html.Span(f"{count:,}", className="hs-count-number")
    return html.Li(dcc.Link([html.Span(lines, className="hs-count-name"), number], href=href, className="hs-count"))


def when(moment: datetime) -> html.Time:
    """A time; time.js makes it "3 min ago" in the reader's own clock."""
    iso = utc_iso(moment)
    return html.Time(iso[:16].replace("T", " "), dateTime=iso)


def checked(stored: StoredCertificate) -> str:
    """What the check of a model found, and on which day (UTC)."""
    return f"{stored.certificate.summary()}, {stored.checked_at:%Y-%m-%d}"
