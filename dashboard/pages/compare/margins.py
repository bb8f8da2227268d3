"""The head of a comparison: what each run says of target and foil, A | B | A - B."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from headscope.analysis.types import Target
from headscope.dashboard.cards import extra
from headscope.dashboard.numbers import fixed, signed
from headscope.dashboard.pages.compare.pair import Pair
from headscope.dashboard.text import quoted


def margins_view(pair: Pair) -> list[Component]:
    """Three figures in nats: by how much a run prefers its target to its foil, or the target's log-probability where no
    foil was given; the difference only of one and the same measure. Nothing without a target in either run."""
    a, b = pair.a.target, pair.b.target
    if a is None or b is None:
        return []
    alike = _measure(a) == _measure(b) and (a.chosen == b.chosen == "given" or a.text == b.text)
    unlike = "The two explain different things: there is no difference to take."
    tiles = [
        _tile("A", _shown(a), _question(a)),
        _tile("B", _shown(b), _question(b)),
        _tile("A − B", signed(_value(a) - _value(b), 3) if alike else "–", _measure(a) if alike else unlike),
    ]
    return [html.Div(tiles, className="hs-compare-margins", role="group", **extra(aria_label="Margins"))]


def _tile(name: str, value: str, note: str) -> Component:
    return html.Div(
        [
            html.Span(name, className="hs-stat-label"),
            html.Span([value, html.Small(" nats")], className="hs-stat-value"),
            html.Span(note, className="hs-stat-hint"),
        ],
        className="hs-stat",
    )


def _shown(target: Target) -> str:
    return signed(_value(target), 3) if _has_foil(target) else fixed(_value(target), 3)


def _has_foil(target: Target) -> bool:
    return target.foil_text is not None


def _measure(target: Target) -> str:
    return "margin, target minus foil" if _has_foil(target) else "log-probability of the target"


def _value(target: Target) -> float:
    return target.logprob - target.foil_logprob if _has_foil(target) else target.logprob


def _question(target: Target) -> str:
    own = "" if target.chosen == "given" else ", its own top token"
    foil = f" rather than {quoted(target.foil_text)}" if target.foil_text is not None else ""
    return f"{quoted(target.text)}{own}{foil}"
