"""Behind the number: the receipts of one method, prompt by prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dash import html

from headscope.analysis.types.receipts import Verdict, standing
from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra
from headscope.dashboard.covered import covered, prompt, run_link
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.methods import unsure
from headscope.dashboard.pages.methods.query import MethodsQuery, label
from headscope.dashboard.pages.methods.verdicts import mark
from headscope.dashboard.parts import note, sql_box
from headscope.dashboard.tables import table
from headscope.dashboard.text import visible
from headscope.dashboard.words import DASH
from headscope.storage.rows import Offences, ReceiptRow


def receipts(
    query: MethodsQuery,
    rows: Sequence[ReceiptRow],
    limit: int,
    counts: unsure.Counts,
    why: Offences,
    statement: str,
) -> Children:
    """The receipts of one method, the least gain first. counts: how many did not converge. why: what to cover.
    statement: the SQL that finds them."""
    if not rows:
        nothing = empty_box(f"No receipts of {label(query.method)}", html.P("None of the runs chosen has one."))
        return [*unsure.said(query, counts), nothing]
    shown = f"The {limit} with the least gain over random; the CSV has all." if len(rows) == limit else ""
    head = ("Verdict", "Prompt", "Over random>", "Random orders (95 %)>", "Over recency>", "p>", "Compr.>", "Suff.>")
    return [
        *unsure.said(query, counts),
        table(head, [receipt_row(row, why) for row in rows], rows_open=True),
        note(shown, " In the place of what was removed: ", ", ".join(sorted({row.masking for row in rows})), "."),
        sql_box(statement),
    ]


def receipt_row(row: ReceiptRow, why: Offences) -> html.Tr:
    """A run, and what removing tokens did."""
    target = f"{visible(row.target)} rather than {visible(row.foil)}" if row.foil else visible(row.target)
    address = links.run(row.run_id, (row.method,))
    over, late = (None if row.gain is None or other is None else row.gain - other
                  for other in (row.random_gain, row.recency_gain))  # fmt: skip
    nan = math.nan
    spread = [nan if end is None or row.random_gain is None else end - row.random_gain
              for end in (row.random_low, row.random_high)]  # fmt: skip
    said_verdict, offends = mark(standing(Verdict(row.verdict), row.converged)), prompt(why, row.run_id)
    text, said = run_link(row.text, address, offends), covered(target, target, offends)
    return html.Tr(
        [
            html.Td([said_verdict, html.Span(row.reason, className="hs-sub") if row.reason else None]),
            html.Td([text, html.Span(["explains ", said, f" · {row.model}"], className="hs-sub")], className="hs-text"),
            html.Td(signed(over), className="num"),
            html.Td(interval(spread[0], spread[1]) or DASH, className="num"),
            html.Td(signed(late), className="num"),
            html.Td(plain(row.p_value, 3), className="num"),
            html.Td(plain(row.comprehensiveness), className="num"),
            html.Td(plain(row.sufficiency), className="num"),
        ],
        **extra(data_href=address),
    )
