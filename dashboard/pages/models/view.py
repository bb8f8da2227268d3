"""The parts of the Models page: what is chosen, its rows, and what stands where nothing can be compared."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.model_rows import MEASURES, ROUGH, ModelsRow
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, extra, guarded
from headscope.dashboard.covered import covered, prompt, run_link
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.models.query import LISTED, Facets, ModelsQuery, facets_of, resolved, sample_said
from headscope.dashboard.parts import Entry, menu, note, stay, warning
from headscope.dashboard.scoped.bar import cautions
from headscope.dashboard.tables import table
from headscope.dashboard.text import visible
from headscope.dashboard.units import in_bits, points
from headscope.dashboard.words import DASH, plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, Offences, RunFilter
from headscope.storage.rows.models import Flip, Matched

BY_NAME = {measure.name: measure for measure in MEASURES}
METHOD = (
    "95 % intervals: Student’s t over pairs of prompts for means, Wilson’s for shares and Newcombe’s for their "
    "difference, both for as many prompts as the pairs are worth; p by McNemar’s exact test over pairs. Right answer: "
    "a target of a prompt that is not about groups of people. A margin of 0 is half a preference. Surprisal is over "
    "the characters that both models predicted, so that models with different tokenizers can be compared: without a "
    "start token a model does not predict its first token, and those characters are left out of both. Intervals of "
    f"calibration errors are rough: {ROUGH}."
)


@guarded("read the models")
def bar(store: RunReader, query: ModelsQuery, _purpose: str) -> Children:
    """Both models, and which of their runs."""
    facets = facets_of(store, query)
    query = resolved(query, facets)
    parts: list[Children] = [
        menu("First", query.model or "none", _entries(query, facets, "model", "model")),
        menu("Second", query.beside_model or "none", _entries(query, facets, "model", "beside_model")),
        stay("Swap", query.swapped().link(), "hs-button"),
        menu("Experiment", query.experiment or "all", _entries(query, facets, "experiment", "experiment", "all")),
        menu("Second’s experiment", query.beside_experiment or "the same",
             _entries(query, facets, "experiment", "beside_experiment", "the same")),
        menu("Prompt set", query.prompt_set or "all", _entries(query, facets, "prompt_set", "prompt_set", "all")),
        menu("Tag", query.tag or "all", _entries(query, facets, "tags", "tag", "all")),
    ]  # fmt: skip
    where = query.sides().where.conditions
    sampled = sample_said(store, query)
    found = [f"{sampled} Files and notebooks count them all."] if sampled else []
    for model, experiment in ((query.model, query.experiment),
                              (query.beside_model, query.beside_experiment or query.experiment)):  # fmt: skip
        of = {"model": model, "experiment": experiment}
        mine = tuple(Condition(name, "eq", value) for name, value in of.items() if value)
        found += cautions(store.model_settings(RunFilter((*where, *mine)))) if model else []
    return [*parts, *map(warning, dict.fromkeys(found))]


def _entries(query: ModelsQuery, facets: Facets, facet: str, key: str, without: str = "") -> list[Entry]:
    entries: list[Entry] = [(without, query.link(**{key: "", "page": 0}), None)] if without else []
    return entries + [
        (item.value, query.link(**{key: item.value, "page": 0}), item.count) for item in facets[facet] if item.value
    ]


def said(query: ModelsQuery, found: Matched) -> Component:
    """How many prompts are compared, how many are not, and why."""
    first, second = query.names
    same = " that both models ran, of the same id, text, target and foil. "
    return html.P([html.B(plural(found.both, "prompt")), same, *left_out(found, first, second)], className="hs-said")


def left_out(found: Matched, first: str, second: str) -> list[str]:
    """Sentences about what is not compared."""
    reasons = (
        (found.only_first, f"run by {first} only"),
        (found.only_second, f"run by {second} only"),
        (max(found.changed_first, found.changed_second), "of the same id with another text, target or foil"),
        (found.failed_first, f"failed on {first}"),
        (found.failed_second, f"failed on {second}"),
        (found.failed_both, "failed on both"),
    )
    told = "; ".join(f"{count:,} {reason}" for count, reason in reasons if count)
    parts = [f"Left out: {told}. "] if told else []
    return [*parts, f"Of several runs of a prompt the newest counts ({found.older:,} older)."] if found.older else parts


def measure_row(row: ModelsRow) -> html.Tr:
    """One measure of both models, and the second minus the first."""
    measure = BY_NAME[row.measure]
    sides = (row.first, row.first_low, row.first_high), (row.second, row.second_low, row.second_high)
    apart = (row.difference, row.difference_low, row.difference_high)
    tested = [] if math.isnan(row.p) else [f"p {plain(row.p, 4)}"]
    if row.only_first is not None and row.only_second is not None:
        tested.append(f"{row.only_second:,} gained, {row.only_first:,} lost")
    name: list[Children] = [measure.label, html.Span(_unit(row), className="hs-sub")]
    below = [html.Span(" · ".join(tested), className="hs-sub")] if tested else []
    pairs = [html.Span(f"{row.clusters:,} independent", className="hs-sub")] if row.clusters < row.n else []
    return html.Tr(
        [
            html.Th(name, scope="row"),
            *(html.Td(_number(row, *ends), className="num") for ends in sides),
            html.Td([*_number(row, *apart, change=True), *below], className="num"),
            html.Td([f"{row.n:,}", *pairs], className="num"),
        ]
    )


def _unit(row: ModelsRow) -> str:
    unit = {"share": "%", "nats per character": "bits per character"}.get(row.unit, row.unit)
    return f"{unit} · {row.of}"


def _number(row: ModelsRow, value: float, low: float, high: float, *, change: bool = False) -> list[Children]:
    if not row.n:
        return [DASH]
    scale = {"share": points, "nats per character": in_bits}.get(row.unit, float)
    decimals = {"share": 1, "nats": 2}.get(row.unit, 3)
    value, low, high = (scale(end) for end in (value, low, high))
    text = signed(value, decimals) if change else plain(value, decimals)
    return [html.B(text), html.Small(f" {interval(low, high, decimals)}")]


def without(rows: Sequence[ModelsRow]) -> list[Component]:
    """Said of measures that no prompt has."""
    missing = [f"{BY_NAME[row.measure].label} ({row.of})" for row in rows if not row.n]
    return [note(f"Not measured on these prompts: {'; '.join(missing)}.")] if missing else []


def flips_table(query: ModelsQuery, rows: Sequence[Flip], why: Offences) -> Component:
    """A row a prompt, with where it leads."""
    first, second = query.names
    head = ("Prompt", "Target / foil", f"{first}>", f"{second}>", "Change, nats>", "Look")
    return table(head, [_flip_row(query, row, why) for row in rows], rows_open=True)


def _flip_row(query: ModelsQuery, row: Flip, why: Offences) -> html.Tr:
    offence = prompt(why, row.first_run) or prompt(why, row.second_run)
    holds = next(filter(None, (prompt(why, run) for run in row.runs)), None)
    words = f"{visible(row.target)} / {visible(row.foil)}"
    compare = links.compare([row.first_run, row.second_run])
    named = (("Why, first", query.model), ("Why, second", query.beside_model))
    # these addresses hold the text: they are there while it is uncovered
    whys = [html.Span(dcc.Link(label, href=_why(row, model)), className="hs-cover-with" if holds else "")
            for label, model in named]  # fmt: skip
    sides = ((row.first_margin, row.first_run), (row.second_margin, row.second_run))
    return html.Tr(
        [
            html.Td([run_link(row.text, links.run(row.first_run), offence),
                     html.Span(_of(row), className="hs-sub")], className="hs-text"),
            html.Td(covered(words, words, offence)),
            *(html.Td(dcc.Link(signed(margin), href=links.run(run), className="hs-behind"), className="num")
              for margin, run in sides),
            html.Td(html.B(signed(row.change)), className="num"),
            html.Td([dcc.Link("Compare", href=compare), *whys], className="hs-models-look"),
        ],
        **extra(data_href=compare),
    )  # fmt: skip


def _of(row: Flip) -> str:
    return " · ".join(filter(None, (row.prompt_set or "no prompt set", row.prompt_key, row.group)))


def _why(row: Flip, model: str) -> str:
    return links.patching(row.text, row.partner, target=row.target, foil=row.foil, model=model)


def pages(query: ModelsQuery, total: int) -> list[Component]:
    """Links to the next and the previous page of flips, where there are more."""
    last = max(0, (total - 1) // LISTED)
    found = [stay("previous", query.link(page=query.page - 1))] if query.page > 0 else []
    found += [stay("next", query.link(page=query.page + 1))] if query.page < last else []
    return [html.P([part for link in found for part in (link, " ")], className="hs-models-pages")] if found else []


def no_flips(query: ModelsQuery, total: int, n: int) -> Component:
    """None of this kind, or none on this page."""
    if total:
        return empty_box("No such page", html.P(f"There are {plural(total, 'flip')}."),
                         stay("The first page", query.link(page=0), "hs-button"), icon_name="shuffle")  # fmt: skip
    return empty_box("No flips", html.P(f"On all {plural(n, 'prompt')} with a target and a foil both models prefer "
                     "the same word, or the flips go the other way."), icon_name="check2-circle")  # fmt: skip


def no_runs(query: ModelsQuery, command: str) -> Component:
    """Nothing in the store, or in the experiment."""
    if query.experiment:
        return empty_box("No such runs", html.P(f"No run of “{query.experiment}” succeeded: choose another above."),
                         icon_name=query.PAGE.icon)  # fmt: skip
    return empty_box("No runs yet", html.P("This store is empty. Analyse a prompt set with two models to fill it:"),
                     copyable(command), icon_name="database")  # fmt: skip


def one_model(query: ModelsQuery, facets: Facets) -> Component:
    """There is one model, or the same runs stand on both sides."""
    if query.beside_model:
        return empty_box("These are the same runs twice", html.P(f"Both sides are {query.names[0]}. Choose another "
                         "model, or another experiment of the same one."), icon_name=query.PAGE.icon)  # fmt: skip
    sets = [item.value for item in facets["prompt_set"] if item.value]
    asked = [
        "headscope",
        "run",
        "--prompts",
        query.prompt_set or next(iter(sets), "factual_recall"),
        "--model",
        "OTHER",
    ]
    return empty_box("One model only", html.P(f"Every run here is of {query.model}. Run the same prompts on another "
                     "model or checkpoint:"), copyable(shlex.join(asked)), icon_name=query.PAGE.icon)  # fmt: skip


def nothing_matched(query: ModelsQuery, found: Matched) -> Component:
    """Two models without a prompt in common."""
    first, second = query.names
    return empty_box("No prompt in common", html.P("A prompt is compared when both models ran it with the same id, "
                     "text, target and foil, and succeeded."), html.P(left_out(found, first, second)),
                     html.P("Run the same prompt set on both, or choose other models above."),
                     icon_name=query.PAGE.icon)  # fmt: skip


LIMITS = html.Ul([
    html.Li("A difference is one of these prompts: another set of prompts may turn it round."),
    html.Li("Margins of two models are on the same scale, log-probabilities, but a surer model has larger ones: the "
            "share that prefers the target does not depend on that."),
    html.Li("Where a target is several tokens of one model and one of the other, its probability is of other things: "
            "the run’s page says what was explained."),
    html.Li("“Right” means that the target is the top token; where several words would do, neither accuracy nor "
            "calibration means much."),
])  # fmt: skip
