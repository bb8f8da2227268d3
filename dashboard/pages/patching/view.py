"""What the Why page is made of: the form, pairs from the store, and the candidates of a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.spelling import spelling
from headscope.analysis.types.patching import PATCH_COMPONENTS, Candidates, PatchResult
from headscope.dashboard import links
from headscope.dashboard.cards import Children, extra
from headscope.dashboard.covered import covered, prompt
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.patching.query import PatchingQuery, href
from headscope.dashboard.services import ModelListing
from headscope.dashboard.tables import table
from headscope.dashboard.text import quoted, visible
from headscope.storage.rows import Offences, RunRow


def form(query: PatchingQuery, models: Sequence[ModelListing], default: str) -> Component:
    """The two prompts and what to explain; a plain form, so that what is sent is what the address says."""
    ready = [model.name for model in models if model.ready]
    chosen = query.model or default
    names = [*ready, *([chosen] if chosen and chosen not in ready else [])]
    meant = [*_meant(query, "clean", query.target, query.foil), *_meant(query, "corrupted")]
    return html.Form(
        [
            _prompt("clean", "Clean prompt", query.clean, "The capital of France is", required=True),
            _prompt("corrupted", "Corrupted prompt (may be empty)", query.corrupted, "The capital of Italy is"),
            html.Div(
                [
                    _text("target", "Target", query.target, "the first choice"),
                    _text("foil", "Foil", query.foil, "none"),
                    _select("model", "Model", names, chosen),
                    _select("component", "Patched", list(PATCH_COMPONENTS), query.component),
                    html.Button("Show", type="submit", className="hs-button hs-button-primary"),
                ],
                className="hs-patching-fields",
            ),
            *meant,
        ],
        action=links.PATCHING,
        method="GET",
        className="hs-patching-form",
    )


def _meant(query: PatchingQuery, prompt: str, target: str = "", foil: str = "") -> list[Component]:
    """Spaces that were probably meant otherwise, each with a link to the page as it was meant."""
    notes: list[Component] = []
    for one in spelling(getattr(query, prompt), target, foil):
        field = prompt if one.field == "text" else one.field
        link = dcc.Link(f"Write “{one.likelier}”", href=href(query, **{field: one.likelier}))
        notes.append(html.P([f"{one.said} ", link], className="hs-note", role="status"))
    return notes


def _prompt(name: str, label: str, value: str, example: str, *, required: bool = False) -> Component:
    field = dbc.Textarea(id=f"patching-{name}", name=name, value=value, placeholder=example, rows=2, required=required)
    return html.Div([html.Label(label, htmlFor=f"patching-{name}"), field], className="hs-patching-prompt")


def _text(name: str, label: str, value: str, hint: str) -> Component:
    field = dbc.Input(id=f"patching-{name}", name=name, value=value, placeholder=hint, autocomplete="off")
    return html.Div([html.Label(label, htmlFor=f"patching-{name}"), field])


def _select(name: str, label: str, options: Sequence[str], value: str) -> Component:
    field = dbc.Select(
        id=f"patching-{name}", name=name, value=value, options=[{"label": o, "value": o} for o in options]
    )
    return html.Div([html.Label(label, htmlFor=f"patching-{name}"), field])


def pair_list(pairs: Sequence[tuple[RunRow, RunRow]], why: Offences) -> Children:
    """Links that fill the form with a pair of the store; what offends is covered, with its address, which holds it."""
    if not pairs:
        return html.P(
            ["The store holds no counterfactual pairs. The set ", html.Code("occupation_gender"), " has some: ",
             html.Code("headscope run --prompts occupation_gender"), "."], className="hs-muted",
        )  # fmt: skip
    return table(("Clean", "Corrupted", "Target", "Model"), [_pair_row(*pair, why) for pair in pairs])


def _pair_row(clean: RunRow, corrupted: RunRow, why: Offences) -> html.Tr:
    """Two lines of each text: some are hundreds of tokens long."""
    theirs = prompt(why, corrupted.id)
    either = prompt(why, clean.id) or theirs
    titles = None if either else clean.text, None if theirs else corrupted.text
    link = dcc.Link(clean.text, href=_pair_href(clean, corrupted), title=titles[0], className="hs-clamp")
    other = html.Span(corrupted.text, title=titles[1], className="hs-clamp")
    return html.Tr(
        [
            html.Td(covered(link, clean.text, either)),
            html.Td(covered(other, corrupted.text, theirs)),
            html.Td(covered(visible(clean.target), clean.target or "", either)),
            html.Td(clean.model, className="hs-patching-model"),
        ]
    )


def _pair_href(one: RunRow, other: RunRow) -> str:
    others = other.target if one.target and other.target and other.target != one.target else ""
    foil = one.foil or others
    query = PatchingQuery(clean=one.text, corrupted=other.text, target=one.target or "", foil=foil, model=one.model)
    return links.view(links.PATCHING, query)


def facts(result: PatchResult, share: bool) -> Children:
    """What is explained and what the two prompts give, in sentences."""
    foil = result.target.foil_text
    what = f"log-probability of {quoted(result.target.text)}" + (f" minus that of {quoted(foil)}" if foil else "")
    sentences = [
        html.P(
            ["Explained: ", html.B(what), f". Clean prompt {signed(result.clean_value, 3)} nats, corrupted prompt "
             f"{signed(result.corrupted_value, 3)} nats. Computed in {result.seconds:.1f} s with ",
             f"{result.info.ref.name}."]
        )
    ]  # fmt: skip
    if not share:
        sentences.append(
            html.P(
                "The two prompts do not differ in this quantity, so there is no difference to bring back and no "
                "recovery: the map shows the change in nats. Choose a target that the two prompts disagree about.",
                className="hs-note", role="status",
            )
        )  # fmt: skip
    return sentences


def candidates(result: PatchResult) -> Children:
    """Next-token candidates of the clean prompt, the corrupted one, and the corrupted one with the cell patched."""
    if result.cell_candidates is None or result.request.cell is None:
        return html.P("Click a cell for what the model says when that one activation is patched.", className="hs-muted")
    layer, position = result.request.cell
    columns = (
        ("Clean", result.clean_candidates),
        ("Corrupted", result.corrupted_candidates),
        ("Patched", result.cell_candidates),
    )
    said = f"Layer {layer}, position {position} ({quoted(result.clean.texts[position])}): recovery "
    recovery = float(result.recovery[layer, position])
    number_ = "not defined" if math.isnan(recovery) else plain(recovery, 3)
    lists = [html.Div([html.H3(name), _list(items)]) for name, items in columns]
    return [html.P([said, html.B(number_)]), html.Div(lists, className="hs-patching-candidates")]


def _list(items: Candidates) -> Component:
    rows = [
        html.Tr([html.Td(visible(text)), html.Td(f"{probability:.4f}", className="num")], **extra(data_token=text))
        for text, probability in items
    ]
    return table(("Token", "Probability>"), rows)
