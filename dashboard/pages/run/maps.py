"""Cards for attributions over layers, heads and generated tokens; drawn by assets/90_pages/run/maps.js."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from headscope.dashboard.cards import Children, empty_box
from headscope.dashboard.missing import missing_reason
from headscope.dashboard.pages.run.sources import of_continuation
from headscope.dashboard.pages.run.view import grids
from headscope.storage.rows import RunDetail


def not_measured(what: str, *options: str) -> Component:
    """A part this run was not asked for, and the options that ask for it."""
    return empty_box(
        f"{what} not measured",
        html.P(["Run the prompt again with ", html.Code(" ".join(options)), " to see it here."]),
        icon_name="dash-circle-dotted",
    )


def absent(detail: RunDetail, what: str, analysis: str, *options: str) -> Component:
    """A measurement that is not there: the stored reason where it was asked for, else the options that ask for it."""
    reason = missing_reason(detail, analysis)
    if reason is None and analysis not in detail.analyses:
        return not_measured(what, *options)
    told = reason or "; ".join(detail.capsule.get("notes") or ()) or "it was asked for, and no reason was stored"
    sentence = told[:1].upper() + told[1:] + ("" if told.endswith(".") else ".")
    return empty_box(f"{what} not measured", html.P(sentence), icon_name="dash-circle-dotted")


def lost(what: str) -> Component:
    """A part that was stored in a file which is no longer there."""
    return empty_box(
        f"{what} was stored but its file is lost",
        html.P("The same `headscope run` as before computes it again."),
        icon_name="dash-circle-dotted",
    )


def flow(detail: RunDetail) -> Children:
    """Layer x position."""
    if not _has(detail, "layers"):
        return not_measured("Layers by token were", "--analyses layer_gradients,attn_lrp,activation_patching")
    return html.Div(id="run-flow-slot")


def components(detail: RunDetail) -> Children:
    """Layer x (heads and MLP)."""
    if not _has(detail, "components"):
        return not_measured("Heads and MLPs were", "--analyses direct_logit_attribution,relp")
    return html.Div(id="run-components-slot")


def looks(detail: RunDetail) -> Children:
    """Head summaries beside the effect of taking each head away."""
    if not _has(detail, "heads"):
        return not_measured("Head ablation was", "--analyses heads,head_ablation")
    return html.Div(id="run-looks-slot")


def sources(detail: RunDetail) -> Children:
    """Generated token x source token."""
    if detail.continuation is None and (reason := missing_reason(detail, "continuation")) is not None:
        return empty_box("There is no continuation", html.P(f"{reason}."), icon_name="dash-circle-dotted")
    if detail.continuation is None or not of_continuation(detail.attributions):
        return not_measured("The sources of generated tokens were", "--explain continuation --max-new-tokens 8")
    return html.Div(id="run-sources-slot")


def _has(detail: RunDetail, kind: str) -> bool:
    return any(grid.kind == kind for grid in grids(detail))
