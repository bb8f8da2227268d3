"""Head of the Run page: what was asked, what came out, where to go next; and what a failed run says instead."""

from __future__ import annotations

import math

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.spelling import spelling
from headscope.analysis.types import UNREADABLE
from headscope.dashboard import links
from headscope.dashboard.blotted import BlottedRun
from headscope.dashboard.cards import Children, Download, download_menu, extra, icon, stat, status_badge
from headscope.dashboard.covered import label, prompt, title
from headscope.dashboard.layout import page_header
from headscope.dashboard.missing import missing_reason
from headscope.dashboard.pages.run.again import again
from headscope.dashboard.text import headline as bare
from headscope.dashboard.units import in_bits, percent
from headscope.dashboard.words import plural, true_minus
from headscope.storage.rows import Offences, RunDetail, RunRow
from headscope.storage.rows.offensive import PROMPT

TITLE_CHARACTERS = 140
ADVICE = {
    "empty": "Give the prompt some text and run it again.",
    "too_long": "Shorten the prompt, or choose a model with a longer context (`headscope models show NAME`).",
    "not_utf8": "Save the prompt file as UTF-8 and run it again.",
    "chat_template": "Correct the template in the model's folder, or leave out --chat, then run it again.",
    "no_embedding": "Leave the token out, or save the model again after `resize_token_embeddings`, then run it again.",
    "target_missing": "Give a target that is not empty (a foil needs a target), then run it again.",
    "target_equals_foil": "Choose a foil whose first token differs from the target's, then run it again.",
    "params": "Correct the method's parameter (`headscope run --help`) and run it again.",
}
"""What to do, by the kind of failure."""


def header(detail: RunDetail, previous: str | None, following: str | None) -> Component:
    """Text, facts, actions."""
    row = detail.row
    why = detail.why.get(PROMPT) if isinstance(detail, BlottedRun) else None
    text = (
        label(row.text, why)
        if why
        else row.text
        if len(row.text) <= TITLE_CHARACTERS
        else f"{row.text[: TITLE_CHARACTERS - 1]}…"
    )
    heading = html.Span(text or "(empty prompt)", className="hs-run-title", **extra(dir="auto"))
    head = page_header(heading, _facts(row), _actions(detail, previous, following))
    meant = [] if why else _meant(row)
    return html.Div([head, _tags(row), *_changed(detail), *meant], **extra(data_run=row.id))


def _changed(detail: RunDetail) -> list[Component]:
    """What was changed in the model meanwhile, so that nobody takes this run for one of the model as it is."""
    codes = detail.capsule.get("interventions")
    if not codes:
        return []
    said = "The model was changed while it read this prompt: "
    return [html.P([said, html.Code(", ".join(map(str, codes))), "."], className="hs-note", role="status")]


def tab(offences: Offences, row: RunRow) -> str:
    """The words of an offensive prompt's tab, which stay in the browser's history; "" where they are the prompt's."""
    return title(row.id) if prompt(offences, row.id) else ""


def _facts(row: RunRow) -> Children:
    parts: list[Children] = [
        status_badge(row.status),
        dcc.Link(row.model, href=links.runs(model=row.model)),
        dcc.Link(row.experiment, href=links.runs(experiment=row.experiment)),
    ]
    if row.prompt_set:
        parts.append(f"{row.prompt_set} · {row.prompt_key}")
    parts.append(html.Time(row.created_at.strftime("%Y-%m-%d %H:%M:%S"), dateTime=row.created_at.isoformat()))
    return html.Span(parts, className="hs-run-line")


def _meant(row: RunRow) -> list[Component]:
    """Spaces that were probably meant otherwise, each with a link to what the model makes of it then."""
    if row.error_kind in UNREADABLE:
        return []
    given = {"text": row.text, "target": row.target or "", "foil": row.foil or "", "model": row.model}
    notes: list[Component] = []
    for one in spelling(row.text, row.target, row.foil):
        link = dcc.Link(f"Look at “{one.likelier}” live", href=links.live(**{**given, one.field: one.likelier}))
        notes.append(html.P([f"{one.said} ", link], className="hs-note", role="status"))
    return notes


def _tags(row: RunRow) -> Component | None:
    facts = [("group", row.group_name), ("pair", row.pair_id)]
    tags: list[Component] = [html.Span(f"{name} {value}", className="hs-tag") for name, value in facts if value]
    tags += [html.Span(tag, className="hs-tag") for tag in row.tags]
    return html.Div(tags, className="hs-run-tags") if tags else None


def _actions(detail: RunDetail, previous: str | None, following: str | None) -> list[Component | None]:
    run_id = detail.row.id
    copy = html.Button([icon("link-45deg"), html.Span("Copy link")], type="button", className="hs-button hs-run-copy",
                       id="run-copy", title="Copy this view's address")  # fmt: skip
    downloads = [Download("Everything, JSON", links.run_file(run_id, "export.json"))]
    if detail.trace is not None:
        downloads += [
            Download("Tokens, CSV", links.run_file(run_id, "export.csv")),
            Download("Tokens, Parquet", links.run_file(run_id, "export.parquet")),
        ]
    return [
        _step(previous, "chevron-left", "Previous run of the experiment (k)"),
        _step(following, "chevron-right", "Next run of the experiment (j)"),
        copy,
        dcc.Link([icon("layout-split"), "Compare with…"], href=links.compare((run_id,)), className="hs-button"),
        download_menu(downloads, "run-root"),
    ]


def _step(run_id: str | None, icon_name: str, label: str) -> Component:
    if run_id is None:
        return html.Button(icon(icon_name), type="button", className="hs-icon-button", disabled=True, title=label,
                           **extra(aria_label=label))  # fmt: skip
    return dcc.Link(icon(icon_name), href=links.run(run_id), className="hs-icon-button", title=label)


def headline(detail: RunDetail) -> Component:
    """The numbers people look for first, each with its unit."""
    row, tiles = detail.row, []
    if row.next_token is not None:
        probability = "" if row.next_token_prob is None else f"probability {percent(row.next_token_prob, 1, '')}"
        tiles.append(stat("Next token", bare(row.next_token), hint=probability))
    if row.target is not None:
        rank = "" if row.target_rank is None else f"rank {row.target_rank:,}"
        tiles.append(stat(f"Target {row.target.strip()}", _number(row.target_logprob, 3, " nats"), hint=rank))
    if row.foil is not None:
        margin = _number(row.margin, 3, " nats", sign=True)
        tiles.append(stat(f"Margin over {row.foil.strip()}", margin, hint="target minus foil"))
    bits = None if row.mean_surprisal is None else in_bits(row.mean_surprisal)
    entropy = None if row.next_entropy is None else in_bits(row.next_entropy)
    tiles += [
        stat("Mean surprisal", _number(bits, 2, " bits"), hint="per token"),
        stat("Perplexity", _number(row.perplexity, 1)),
        stat("Next-token entropy", _number(entropy, 2, " bits")),
        _length(detail),
        stat("Computed in", _number(row.seconds, 2, " s")),
    ]
    return html.Div(tiles, className="hs-stats")


def _length(detail: RunDetail) -> Component:
    n = detail.row.n_tokens
    behind = detail.model.ref.backend == BLACK_BOX
    return stat("Parts" if behind else "Tokens", "–" if n is None else f"{n:,}",
                hint="tokens are not told" if behind else "")  # fmt: skip


def _number(value: float | None, digits: int, unit: str = "", *, sign: bool = False) -> Children:
    if value is None or not math.isfinite(value):
        return html.Span("not measured", className="hs-muted hs-run-unmeasured")
    text = true_minus(f"{value:{'+' if sign else ''}.{digits}f}")
    return [text, html.Small(unit)] if unit else text


def failure(detail: RunDetail) -> Component:
    """What happened, why, what to do; nothing pretends to have been measured."""
    row = detail.row
    known = row.error_kind in ADVICE
    advice = ADVICE.get(row.error_kind or "", "Correct the cause and run it again; a failed run is tried anew.")
    reason = row.error or "The reason was not recorded."
    return html.Div(
        [
            icon("exclamation-triangle-fill", "hs-box-icon"),
            html.H3("This prompt could not be analysed"),
            html.P(reason[:1].upper() + reason[1:], className="hs-box-reason"),
            html.P([html.B("What to do: "), advice]),
            None if known else again(detail),
        ],
        className="hs-box hs-error", role="alert", id="run-failure",
    )  # fmt: skip


def continuation(detail: RunDetail) -> Component | None:
    """The text the model went on with."""
    item = detail.continuation
    if item is None and (reason := missing_reason(detail, "continuation")) is not None:
        return html.P(f"Not continued: {reason}.", className="hs-run-continuation")
    if item is None or not item.text:
        return None
    how = item.params
    settings = (
        f"{plural(len(item.ids), 'token')}, temperature {how.temperature:g}, top-p {how.top_p:g}, seed {how.seed}"
    )
    text = html.Span(item.text, className="hs-run-continued", **extra(dir="auto"))
    return html.P(["Went on with ", text, html.Small(settings)], className="hs-run-continuation")
