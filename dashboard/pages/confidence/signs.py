"""The card of signs: what tells a model's wrong answers from its right ones, and whether it beats its surprisal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from dash import html
from numpy.typing import NDArray

from headscope.analysis.statistics.confidence import lens_instability
from headscope.analysis.statistics.separation import Separation, separation
from headscope.dashboard.cards import Children, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.confidence.measured import judged
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.view import answers_switch, left_out, no_answers
from headscope.dashboard.parts import note, sampled_note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.storage.rows import Measures

Floats = NDArray[np.float64]
HEAD = ("Sign", "Area under the curve>", "Over surprisal>", "Wrong>", "Right>", "")


@dataclass(frozen=True, slots=True)
class Sign:
    """read: float64 `[run]`, more of it should mean wrong. asked: how to measure it where it is not stored."""

    label: str
    source: str
    read: Callable[[Services, ConfidenceQuery, Measures], Floats]
    asked: str = ""


def _probe(name: str, factor: float) -> Callable[[Services, ConfidenceQuery, Measures], Floats]:
    def read(services: Services, query: ConfidenceQuery, runs: Measures) -> Floats:
        rows = services.store.finding_sample(query.where(), name).rows
        return _placed(runs, {row.run_id: factor * row.score for row in rows if row.score is not None})

    return read


def _lens(services: Services, query: ConfidenceQuery, runs: Measures) -> Floats:
    ranks = services.store.lens_ranks(query.where())
    return _placed(runs, {row.run_id: lens_instability(row.ranks.astype(np.float64)) for row in ranks})


def _placed(runs: Measures, found: Mapping[str, float]) -> Floats:
    return np.array([found.get(run_id, np.nan) for run_id in runs.run_id], dtype=np.float64)


def surprisal(services: Services, query: ConfidenceQuery, runs: Measures) -> Floats:
    """Of the answer the model gives, nats."""
    with np.errstate(divide="ignore"):
        found: Floats = -np.log(runs.next_token_prob)
    return found


SIGNS = (
    Sign("Surprisal of the answer", "−log P(top token)", surprisal),
    Sign("Next-token entropy", "of all tokens", lambda services, query, runs: runs.next_entropy),
    Sign("Lens instability", "later layers without the answer on top; after Halawi et al. 2023", _lens, "layers"),
    Sign("Samples disagree", "1 − share of the commonest answer; Wang et al. 2023", _probe("self_consistency", -1.0),
         "self_consistency"),
    Sign("Semantic entropy", "clusters of meaning; Farquhar et al. 2024", _probe("semantic_entropy", 1.0),
         "semantic_entropy"),
    Sign("Unsure details", "share of its numbers and names below a probability; after Varshney et al. 2023",
         _probe("unsupported_specificity", 1.0), "unsupported_specificity --max-new-tokens 20"),
)  # fmt: skip


def signs(services: Services, query: ConfidenceQuery) -> Children:
    """Every sign with its area, and its gain over the surprisal of the answer on the same prompts."""
    runs = services.store.measures(query.where())
    right = judged(runs, query)
    if not np.isfinite(right).any():
        return no_answers(runs, query)
    base = surprisal(services, query, runs)
    rows = []
    for sign in SIGNS:
        of_base = sign.read is surprisal
        values = base if of_base else sign.read(services, query, runs)
        rows.append(_row(sign, separation(values, right, None if of_base else base)))
    return [
        *sampled_note(len(runs), runs.total),
        *left_out(runs, query),
        table(HEAD, rows),
        note("The chance that a wrong answer shows more of the sign than a right one: .5 tells nothing, 1 tells all "
             "(95 % intervals and the difference of two signs on the same prompts: DeLong et al. 1988). Wrong: the "
             "target is not the most likely next token. A sign whose difference holds 0 was not shown to be worth more "
             "than the surprisal, which costs nothing."),
    ], answers_switch(query)  # fmt: skip


def _row(sign: Sign, found: Separation) -> html.Tr:
    name = html.Td([sign.label, html.Span(sign.source, className="hs-sub")])
    if np.isnan(found.area):
        return html.Tr([name, html.Td(_why_not(sign, found), colSpan=len(HEAD) - 1)])
    return html.Tr(
        [
            name,
            html.Td([html.B(plain(found.area)), html.Small(f" {interval(found.low, found.high)}")], className="num"),
            html.Td([signed(found.gain), html.Small(f" {interval(found.gain_low, found.gain_high)}")]
                    if np.isfinite(found.gain) else "", className="num"),
            html.Td(f"{found.wrong:,}", className="num"),
            html.Td(f"{found.right:,}", className="num"),
            html.Td(_verdict(found)),
        ]
    )  # fmt: skip


def _why_not(sign: Sign, found: Separation) -> str:
    if not found.wrong and not found.right:
        return f"Not measured: headscope run ... --analyses {sign.asked}" if sign.asked else "Not measured."
    return f"All {found.wrong + found.right:,} measured answers are {'wrong' if found.wrong else 'right'}."


def _verdict(found: Separation) -> Children:
    """In words what the intervals say."""
    if np.isnan(found.low):
        return "too few to tell"
    if found.low <= 0.5:
        return "not shown to tell anything" if found.high >= 0.5 else [icon("flag-fill"), " points the wrong way"]
    if np.isnan(found.gain):
        return "tells something"
    if found.gain_low > 0:
        return [icon("flag-fill"), " beats surprisal"]
    return "worse than surprisal" if found.gain_high < 0 else "does not beat surprisal"
