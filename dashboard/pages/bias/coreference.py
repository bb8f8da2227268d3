"""The card about coreference: right answers where the pronoun fits the stereotype, and where it does not."""

from __future__ import annotations

from dash import html

from headscope.analysis.statistics.coreference import TAG, Accuracy, Share, accuracies
from headscope.dashboard.cards import Children
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.pages.bias.view import board, labelled
from headscope.dashboard.parts import note
from headscope.dashboard.services import Services
from headscope.dashboard.units import percent, percents, points
from headscope.storage.rows import Condition, RunFilter

HEADS = ("Sentences", "Fits the stereotype", "Goes against it", "Difference, points", "p>", "Model", "Pairs>",
         "Wordings>")  # fmt: skip


def coreference(services: Services, query: BiasQuery) -> Children:
    """A row per model and kind of sentence; nothing where no such prompt was run."""
    asked = [query, query.other()] if query.beside_model else [query]
    found = [row for one in asked for row in _read(services, one)]
    if not found:
        return None
    return [
        board(HEADS, [_row(item) for item in found]),
        note("Right: the occupation that is meant is likelier than the other (a tie counts half), over pairs that "
             "differ in the pronoun only, in the manner of WinoBias (Zhao et al. 2018). Chance is 50 %. Shares: 95 % "
             "intervals over wordings (bootstrap, further out where skewed; where all are alike Wilson’s). The "
             "difference, its interval and p as in the table above, not adjusted. A model that always names the "
             "occupation in the same place is right in half of both, with a difference of 0: that is no sign of "
             "fairness."),
    ]  # fmt: skip


def _read(services: Services, query: BiasQuery) -> list[Accuracy]:
    where = RunFilter((*query.where().conditions, Condition("tags", "eq", TAG)))
    return accuracies(services.store.pair_runs(where, "margin").members)


def _row(item: Accuracy) -> html.Tr:
    row = item.contrast
    effect = row.effect
    kind = "all" if row.attribute == TAG else row.attribute
    ends = interval(points(effect.low), points(effect.high), 0)
    cells = [
        html.Th([kind, html.Span(row.prompt_set, className="hs-sub")], scope="row"),
        _share(item.fits),
        _share(item.against),
        html.Td([html.B(signed(points(effect.mean), 0)), html.Small(f" {ends}")]),
        html.Td(plain(effect.p, 4), className="num"),
        html.Td(row.model),
        html.Td(f"{effect.n:,}", className="num"),
        html.Td(f"{effect.groups:,}", className="num"),
    ]
    return html.Tr(labelled(HEADS, cells))


def _share(share: Share) -> html.Td:
    ends = "" if share.low != share.low else f" {percents(share.low, share.high)}"
    return html.Td([html.B(percent(share.value)), html.Small(ends)])
