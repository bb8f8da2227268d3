"""Cards for attributions over layers, heads and generated tokens; drawn by assets/90_pages/run/maps.js."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dash import html
from dash.development.base_component import Component

from headscope.analysis.registry import METHODS, method_entry
from headscope.dashboard.cards import Children, empty_box
from headscope.dashboard.head_stats import head_stats
from headscope.dashboard.missing import missing_reason
from headscope.dashboard.pages.run.grids import KINDS
from headscope.dashboard.pages.run.heads import methods_of_heads, says_what_heads_do
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
    methods = tuple(name for name, entry in METHODS.items() if entry.layers or KINDS.get(entry.axes) == "layers")
    offered = tuple(name for name in methods if METHODS[name].family != "attention")  # which alone explains nothing
    if not _has(detail, "layers"):
        return unanswered(detail, "Layers by token were", offered, methods)
    return [html.Div(id="run-flow-slot"), *failures(detail, methods)]


def components(detail: RunDetail) -> Children:
    """Layer x (heads and MLP)."""
    methods = tuple(name for name, entry in METHODS.items() if KINDS.get(entry.axes) == "components")
    if not _has(detail, "components"):
        return unanswered(detail, "Heads and MLPs were", methods)
    return [html.Div(id="run-components-slot"), *failures(detail, methods)]


def looks(detail: RunDetail) -> Children:
    """Where heads look beside what they do; what is missing of the two is said under the other."""
    looked, done = bool(detail.heads and head_stats(detail.heads)), _has(detail, "heads")
    told = tuple(name for name, entry in METHODS.items() if says_what_heads_do(entry))
    missing: list[Component] = []
    if not done:
        missing.append(unanswered(detail, "What heads do was", methods_of_heads(), told))
    if not looked:
        missing.append(absent(detail, "Where heads look was", "heads", "--analyses heads"))
    if not (looked or done):
        return missing
    return [html.Div(id="run-looks-slot"), *missing, *(failures(detail, told) if done else ())]


def sources(detail: RunDetail) -> Children:
    """Generated token x source token."""
    if detail.continuation is None and (reason := missing_reason(detail, "continuation")) is not None:
        return empty_box("There is no continuation", html.P(f"{reason}."), icon_name="dash-circle-dotted")
    if detail.continuation is not None and of_continuation(detail.attributions):
        return html.Div(id="run-sources-slot")
    if detail.capsule.get("explain") == "continuation" and (said := failures(detail)):
        return empty_box("The sources of generated tokens were not measured", *said, icon_name="dash-circle-dotted")
    return not_measured("The sources of generated tokens were", "--explain continuation --max-new-tokens 8")


def unanswered(detail: RunDetail, what: str, offered: Sequence[str], told: Sequence[str] = ()) -> Component:
    """What no method of this run says: why those asked for have no answer, else which may be asked (`offered`).
    told: whose failures count, if others do too."""
    if not (said := failures(detail, (*offered, *told))):
        return not_measured(what, "--analyses", ",".join(offered))
    return empty_box(f"{what} not measured", *said, icon_name="dash-circle-dotted")


def failures(detail: RunDetail, methods: Collection[str] | None = None) -> list[Component]:
    """A sentence for each method of the run (of `methods` only) that failed: its reason."""
    failed = [item for item in detail.attributions if item.error and (methods is None or item.method in methods)]
    return [html.P(f"{_label(item.method)} failed: {item.error}", className="hs-map-failed") for item in failed]


def _label(method: str) -> str:
    entry = method_entry(method)
    return entry.label if entry else method


def _has(detail: RunDetail, kind: str) -> bool:
    return any(grid.kind == kind for grid in grids(detail))
