"""The cards of the Run page: frames here, contents drawn by assets/90_pages/run or by Plotly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from plotly.graph_objects import Figure

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.types import HeadSummary
from headscope.dashboard import links
from headscope.dashboard.attention_cache import attention_artifact
from headscope.dashboard.blotted import blotted
from headscope.dashboard.cards import (
    PICTURES,
    Children,
    card,
    empty_box,
    error_box,
    extra,
    guarded,
    is_box,
)
from headscope.dashboard.covered import bar, hidden
from headscope.dashboard.figures.confidence import confidence_figure, confidence_info
from headscope.dashboard.figures.layers import formation_figure, norms_figure
from headscope.dashboard.head_stats import misses
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.missing import missing_reason
from headscope.dashboard.pages.run.capsule import capsule_card
from headscope.dashboard.pages.run.findings import findings, has_findings
from headscope.dashboard.pages.run.header import continuation, failure, header, headline, tab
from headscope.dashboard.pages.run.maps import absent, components, flow, looks, lost, not_measured, sources
from headscope.dashboard.pages.run.query import RunQuery, fitted, neighbours
from headscope.dashboard.pages.run.tone import has_tone, tone
from headscope.dashboard.pages.run.toxicity import has_scores, toxicity
from headscope.dashboard.pages.run.view import view_model
from headscope.dashboard.parts import note
from headscope.dashboard.text import quoted
from headscope.dashboard.typed import TAG as LIVE_TAG
from headscope.dashboard.units import percent
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunDetail

SHORT = 32
"""Up to this many tokens a map over them fits half the page."""


def cards(detail: RunDetail) -> list[Component]:
    """Every card a run of this kind has; each body fails alone."""
    if detail.trace is None:
        reason = failure(detail) if detail.row.error else _not_yet(detail)
        return [reason, html.Div([_text_card(detail), capsule_card(detail)], className="hs-grid")]
    if detail.model.ref.backend == BLACK_BOX:
        return [html.Div(_from_outside(detail), className="hs-grid")]
    width = "hs-half" if len(detail.trace.tokens) <= SHORT else ""
    body = [*_of_tokens(detail, width), *_of_the_inside(detail), *_findings(detail), capsule_card(detail)]
    return [html.Div(body, className="hs-grid")]


def _of_tokens(detail: RunDetail, width: str) -> list[Component]:
    """What was read, what was expected, and what it rests on. width: of maps that may share a line."""
    top = [
        _card(detail, "run-tokens", "Tokens", _tokens, "What the model read.", drawn=True),
        _card(detail, "run-confidence", "Confidence", _confidence,
              "Surprisal of each token and entropy of the distribution before it, in bits."),
    ]  # fmt: skip
    return [
        html.Div(top, className="hs-wide hs-stack"),
        _card(detail, "run-candidates", "Candidates", _slot("candidates"),
              "What the model expected, with probabilities.", "hs-side"),
        _card(detail, "run-attributions", "Attributions", _attributions,
              "Which tokens the explained quantity rests on, one method per row.", drawn=True),
        _card(detail, "run-sources", "Sources of the continuation", sources,
              "What every generated token rests on.", drawn=True),
        _card(detail, "run-flow", "Where the evidence enters", flow,
              "Attribution of every layer and token: what the explained quantity owes to the stream there.",
              width, drawn=True),
        _card(detail, "run-components", "Heads and MLPs", components,
              "What every head and MLP does to the explained quantity.", width, drawn=True),
    ]  # fmt: skip


def _of_the_inside(detail: RunDetail) -> list[Component]:
    """Heads and layers."""
    return [
        _card(detail, "run-attention", "Attention", _attention,
              "Where each head reads from. Keys: [ and ] change the layer, comma and full stop the head. "
              "Attention alone is no explanation.", drawn=True),
        _card(detail, "run-looks", "Heads: where they look, what they do", looks,
              "Every head by where its attention goes, or by what it does to the explained quantity; h switches.",
              drawn=True),
        _card(detail, "run-lens", "Logit lens", _lens,
              "What each layer would say next, read through the final norm and unembedding.",
              drawn=True),
        _card(detail, "run-formation", "How the prediction forms", _formation,
              "The final top token, target and foil under the logit lens, at the last position.", "hs-half"),
        _card(detail, "run-norms", "Residual stream", _norms,
              "Size of the stream and of what each sublayer adds, at the last position.", "hs-half"),
    ]  # fmt: skip


def _from_outside(detail: RunDetail) -> list[Component]:
    """What can be known of a model behind an API."""
    closed = html.P([
        "Attention, layers and the logit lens need the model itself. How sure the order of the parts is, and whether "
        "the answer holds under harmless edits, stands on the ",
        dcc.Link("Black box page", href=links.blackbox(detail.row.experiment)), "."])  # fmt: skip
    return [
        _card(detail, "run-tokens", "Parts", _tokens, "What was asked, in parts.", "hs-wide", drawn=True),
        _card(detail, "run-candidates", "Candidates", _slot("candidates"),
              "What may come next, as far as the API tells.", "hs-side"),
        _card(detail, "run-attributions", "Importance", _attributions,
              "What the answer loses without each part (Shapley values).", drawn=True),
        *_findings(detail),
        card("Inside", empty_box("This model is behind an API", closed, icon_name="box"), id="run-inside"),
        capsule_card(detail),
    ]  # fmt: skip


def _findings(detail: RunDetail) -> list[Component]:
    found = []
    if has_findings(detail):
        found.append(
            _card(detail, "run-findings", "Probes", findings, "What was asked of this run besides its numbers.")
        )
    if has_scores(detail):
        found.append(_card(detail, "run-toxicity", "Toxicity", toxicity, "What classifiers say of its texts, and why."))
    if has_tone(detail):
        found.append(_card(detail, "run-tone", "Tone", tone, "How its texts sound, from −1 to 1."))
    return found


def _card(
    detail: RunDetail, id_: str, title: str, body: Callable[[RunDetail], Children], subtitle: str, class_name: str = "",
    *, drawn: bool = False,
) -> Component:  # fmt: skip
    """A card with picture downloads; `drawn` ones have a place for their controls. Empty ones offer no download."""
    content = guarded(f"draw “{title}”")(body)(detail)
    full = not all(is_box(part) for part in (content if isinstance(content, list) else [content]))
    controls = html.Div(id=f"{id_}-controls", className="hs-run-controls") if drawn and full else None
    return card(title, content, id=id_, subtitle=subtitle, actions=controls, downloads=PICTURES if full else (),
                class_name=class_name)  # fmt: skip


def _slot(name: str) -> Callable[[RunDetail], Children]:
    return lambda detail: html.Div(id=f"run-{name}-slot")


def _tokens(detail: RunDetail) -> Children:
    reason = missing_reason(detail, "trace")
    gaps = [note(f"Not all of it was measured: {reason}")] if reason else []
    return [html.Div(id="run-tokens-slot"), *gaps, continuation(detail)]


def _confidence(detail: RunDetail) -> Children:
    assert detail.trace is not None
    return _graph("run-confidence-plot", confidence_figure(confidence_info(detail.trace)))


def _attributions(detail: RunDetail) -> Children:
    if not detail.attributions:
        return not_measured("Attributions were", "--analyses saliency,input_x_gradient,integrated_gradients")
    body: list[Component] = [html.Div(id="run-attributions-slot"), *_first_only(detail)]
    if LIVE_TAG in detail.row.tags and all(found.method != "occlusion" for found in detail.attributions):
        asked = html.Code("--analyses occlusion")
        body.append(note("Saved from Live, whose leave-one-out is not kept: ", asked, " stores it."))
    return body


def _first_only(detail: RunDetail) -> list[Component]:
    """Said where a target or foil needs several tokens and only the first is explained."""
    target, given = detail.target, detail.capsule
    if target is None or target.chosen != "given" or given.get("explain", "next") != "next":
        return []
    sides = (("target", target.n_tokens, target.text), ("foil", target.foil_n_tokens, target.foil_text or ""))
    return [
        note(f"The {name} is {count} tokens long, and only its first, {quoted(text)}, is explained. “Explains” offers "
             "all tokens together, as does ", html.Code("--explain target"), ".")
        for name, count, text in sides if count > 1
    ]  # fmt: skip


def _attention(detail: RunDetail) -> Children:
    artifact = attention_artifact(detail)
    if artifact is None:
        return absent(detail, "Attention was", "attention", "--analyses attention,heads")
    if artifact.lost:
        return lost("Attention")
    slot = html.Div(id="run-attention-slot")
    said: list[Component] = []
    if layers := detail.capsule.get("attention_layers"):
        which = ", ".join(map(str, layers))
        said.append(html.P(f"Only these layers have attention: {which}. The others stay empty.", className="hs-muted"))
    if detail.heads is not None and misses(detail.heads):
        said.append(_missing(detail.heads))
    return [*said, slot]


def _missing(heads: HeadSummary) -> Component:
    """Said where rows sum to less than 1."""
    most = percent(float(np.nanmax(heads.missing_mass)), gap="")
    return html.P(
        f"Up to {most} of a head's weight goes to no token: this model has learned sinks, "
        "and its rows sum to less than 1. “Missing” is that part; entropies and distance are over the visible part, "
        "the other statistics are shares of the whole.",
        id="run-attention-missing",
        className="hs-muted",
    )


def _lens(detail: RunDetail) -> Children:
    if detail.lens is None:
        return absent(detail, "The logit lens was", "logit_lens", "--analyses logit_lens")
    return html.Div(id="run-lens-slot")


def _formation(detail: RunDetail) -> Children:
    if detail.layers is None or detail.trace is None:
        return absent(detail, "Layers were", "layers", "--analyses layers")
    figure = formation_figure(detail.layers, detail.trace.topk_texts[-1][0], detail.target)
    return _graph("run-formation-plot", figure)


def _norms(detail: RunDetail) -> Children:
    if detail.layers is None:
        return absent(detail, "Layers were", "layers", "--analyses layers")
    return _graph("run-norms-plot", norms_figure(detail.layers))


def _graph(id_: str, figure: Figure) -> Component:
    return dcc.Graph(id=id_, figure=figure, config={"displaylogo": False, "displayModeBar": False, "responsive": True})


def _not_yet(detail: RunDetail) -> Component:
    title = f"This run is {detail.row.status.value}"
    return empty_box(title, html.P("Nothing has been measured yet."), icon_name="hourglass")


def _text_card(detail: RunDetail) -> Component:
    rows = [("target", detail.row.target), ("foil", detail.row.foil)]
    facts = [html.P([html.Span(f"{name} ", className="hs-muted"), html.Code(value)]) for name, value in rows if value]
    text = html.Pre(detail.row.text or "(empty)", className="hs-run-text", **extra(dir="auto"))
    return card("Prompt", [text, *facts], id="run-text", subtitle="The input as it was given.")


def content(store: RunReader, query: RunQuery) -> tuple[Children, dict[str, Any] | None]:
    """Children of the page and the browser's view model; None when there is no run to show."""
    if not query.id:
        return _instead(empty_box("No run chosen", html.P(dcc.Link("Choose one from the runs", href=links.RUNS)))), None
    try:
        detail = store.run(query.id)
    except UnknownNameError:
        return _instead(_unknown(query.id)), None
    except Exception as error:
        return _instead(error_box(f"read run {query.id}", error)), None
    offences = store.offensive([detail.row.id])
    detail = blotted(detail, hidden(offences).get(detail.row.id, {}))
    state = fitted(query, detail)
    before, after = neighbours(store, detail.row)
    top = [notes_box(state.notes), header(detail, before, after), bar(offences)]
    if detail.trace is not None:
        top.append(headline(detail))
    return [*top, *cards(detail)], view_model(detail, state, before, after) | {"title": tab(offences, detail.row)}


def _instead(box: Component) -> list[Component]:
    """What stands where a run would, under the heading that its text would be."""
    return [page_header("Run"), box]


def _unknown(run_id: str) -> Component:
    return empty_box(
        "No such run",
        html.P(["The store has no run ", html.Code(run_id), "."]),
        html.P("It may have been deleted, or the link belongs to another store."),
        html.P(dcc.Link("See all runs", href=links.RUNS)),
        icon_name="question-circle",
    )
