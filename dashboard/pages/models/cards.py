"""The cards of the Models page, and the states in which there is nothing to set side by side."""

from __future__ import annotations

from dash import html

from headscope.analysis.statistics.calibration_pairs import reliability
from headscope.analysis.statistics.model_rows import ROUGH, ModelsRow, model_rows
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, download_menu, empty_box
from headscope.dashboard.figures.behaviour import reliability as reliability_figure
from headscope.dashboard.numbers import interval, plain
from headscope.dashboard.pages.models import view
from headscope.dashboard.pages.models.query import LISTED, ModelsQuery, compared, facets_of, resolved
from headscope.dashboard.parts import graph, note, switch
from headscope.dashboard.services import Services
from headscope.dashboard.status import first_command
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural
from headscope.storage.rows.models import ModelsBeside

SUMMARY_FILE, CALIBRATION_FILE, FLIPS_FILE = "summary.csv", "calibration.csv", "flips.csv"
WHICH = (("all", "all"), ("gained", "only the second"), ("lost", "only the first"))


def summary(services: Services, query: ModelsQuery) -> Children:
    """How many prompts are compared, and every measure of both models."""
    facets = facets_of(services.store, query)
    if not any(item.value for item in facets["model"]):
        return view.no_runs(query, first_command(services.store.url))
    query = resolved(query, facets)
    if query.same or not query.beside_model:
        return view.one_model(query, facets)
    found = services.store.models_beside(compared(services.store, query))
    if not found.matched.both:
        return view.nothing_matched(query, found.matched)
    rows = shown(model_rows(found.measured, found.cells))
    first, second = query.names
    head = ("Measure", f"{first}>", f"{second}>", "Second − first>", "Prompts>")
    downloads = download_menu([Download("CSV", href=links.models_file(SUMMARY_FILE, query))], "models-summary")
    body = [
        view.said(query, found.matched),
        table(head, [view.measure_row(row) for row in rows]),
        *view.without(rows),
        note(view.METHOD),
    ]
    return body, downloads


def shown(rows: list[ModelsRow]) -> list[ModelsRow]:
    """What both rows about target and foil say once is said once: all targets are right answers, or none is."""
    n = {row.measure: row.n for row in rows}
    alike = "preferred" if n["accuracy"] == n["preferred"] else "accuracy" if not n["accuracy"] else ""
    return [row for row in rows if row.measure != alike]


def flips(services: Services, query: ModelsQuery) -> Children:
    """A page of the prompts on which the models prefer another word, the largest change first."""
    found = matched(services, query)
    if found is None:
        return None
    query, beside = found
    sums = beside.measured["preferred"]
    if not sums.n:
        return empty_box("No margins to compare", html.P("A flip needs prompts with a target and a foil; the prompts "
                         "that both models ran have none."), icon_name="shuffle")  # fmt: skip
    totals = {"all": sums.only_first + sums.only_second, "gained": sums.only_second, "lost": sums.only_first}
    total, actions = totals[query.which], switch("which", query, WHICH, "Flips")
    rows = services.store.flips(compared(services.store, query), query.which, query.page * LISTED, LISTED)
    downloads = download_menu([Download("CSV", href=links.models_file(FLIPS_FILE, query))], "models-flips")
    if not rows:
        return view.no_flips(query, total, sums.n), [actions, downloads]
    why = services.store.offensive([run for row in rows for run in row.runs])
    begin = query.page * LISTED
    return [
        html.P([f"{begin + 1:,} to {begin + len(rows):,} of ", html.B(plural(total, "flip")),
                f" among {plural(sums.n, 'prompt')}, the largest change of margin first."], className="hs-said"),
        view.flips_table(query, rows, why),
        *view.pages(query, total),
        note("Margin: log P(target) − log P(foil) in nats; above 0 the model prefers the target. “Why” opens the "
             "prompt on the Why page, with the other prompt of its pair where it has one. A small change across "
             "0 is a flip, too: look at both margins."),
    ], [actions, downloads]  # fmt: skip


def calibration(services: Services, query: ModelsQuery) -> Children:
    """Both reliability diagrams, over prompts whose target is a right answer."""
    found = matched(services, query)
    if found is None:
        return None
    query, beside = found
    if not beside.measured["overconfidence"].n:
        return empty_box("No prompts with a right answer", html.P("Calibration asks whether a model is right as often "
                         "as it says: it needs prompts whose target is a right answer, on both models."),
                         icon_name="speedometer2")  # fmt: skip
    curves = dict(zip(query.names, reliability(beside.cells), strict=True))
    file = Download("CSV", href=links.models_file(CALIBRATION_FILE, query))
    downloads = download_menu([file, *PICTURES], "models-calibration")
    errors = [f"{name}: {plain(curve.error, 3)} {interval(curve.low, curve.high, 3)}" for name, curve in curves.items()]
    return [
        graph(reliability_figure(curves)),
        html.P(f"Expected calibration error over {plural(curves[query.names[0]].n, 'prompt')}: {'; '.join(errors)}.",
               className="hs-said"),
        note("Right: the target is the most likely next token. Ten bins of equally many prompts for each model, with "
             "Wilson’s 95 % intervals; the error is the mean distance from the diagonal (Guo et al. 2017), above 0 "
             "even for a calibrated model, and its interval says which errors would look like it; it is rough: "
             f"{ROUGH}."),
    ], downloads  # fmt: skip


def matched(services: Services, query: ModelsQuery) -> tuple[ModelsQuery, ModelsBeside] | None:
    """The link with both models named and what is known of them; None where the first card says why there is none."""
    query = resolved(query, facets_of(services.store, query))
    if query.same or not (query.model and query.beside_model):
        return None
    found = services.store.models_beside(compared(services.store, query))
    return (query, found) if found.matched.both else None
