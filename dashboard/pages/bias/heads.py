"""The card about the heads behind a pair: whose ablation changes the one prompt's value and not the other's."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.statistics.counterfactual import Contrast, PairDifference
from headscope.analysis.statistics.intervals import Z
from headscope.analysis.types import Attribution
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box
from headscope.dashboard.covered import covered, prompt
from headscope.dashboard.numbers import signed
from headscope.dashboard.pages.bias.lines import chosen
from headscope.dashboard.pages.bias.query import BiasQuery, offences
from headscope.dashboard.pages.bias.view import board, forest, labelled, scale_row
from headscope.dashboard.parts import note, stay, warning
from headscope.dashboard.services import Services
from headscope.dashboard.text import quoted
from headscope.storage.rows import Offence, Offences, RunDetail

METHOD = "head_ablation"
LISTED = 12


@dataclass(frozen=True, slots=True)
class HeadDifference:
    """What is lost without one head in each of two prompts, nats; error: standard error of the difference, NaN where
    the ablation says none (only replacing by other texts' outputs does)."""

    layer: int
    head: int
    a: float
    b: float
    error: float

    @property
    def difference(self) -> float:
        """In `a` minus in `b`."""
        return self.a - self.b


def heads(services: Services, query: BiasQuery) -> Children:
    """The heads that differ most between the prompts of the link's pair; nothing without one."""
    line = chosen(services.store, query) if query.pair else None
    pair = next((pair for pair in line.contrast.pairs if pair.pair_id == query.pair), None) if line else None
    if line is None or pair is None:
        return None
    close = stay("Close", query.link(pair=""), "hs-button")
    runs = [services.store.run(run_id) for run_id in (pair.a_run, pair.b_run)]
    found = [_ablation(run) for run in runs]
    a, b = found
    if a is None or b is None or a.scores.shape != b.scores.shape:
        why = offences(services.store, [pair])
        return _missing(query, line.contrast, pair, runs, why), close
    names = [run.row.group_name or run.row.prompt_key for run in runs]
    return _differences(names, pair, a, b, offences(services.store, [pair])), close


def differences(a: Attribution, b: Attribution, most: int = LISTED) -> list[HeadDifference]:
    """The heads whose ablation `[layer, head]` differs most, the largest difference first."""
    apart = np.abs(a.scores.astype(np.float64) - b.scores)
    errors = _error(a, b)
    order = np.argsort(-np.where(np.isfinite(apart), apart, -1).ravel(), kind="stable")[:most]
    places = [(int(i) // apart.shape[1], int(i) % apart.shape[1]) for i in order if np.isfinite(apart.ravel()[i])]
    return [HeadDifference(*at, float(a.scores[at]), float(b.scores[at]), float(errors[at])) for at in places]


def _error(a: Attribution, b: Attribution) -> NDArray[np.float64]:
    if a.score_errors is None or b.score_errors is None:
        return np.full(a.scores.shape, math.nan)
    return np.hypot(a.score_errors.astype(np.float64), b.score_errors)


def _ablation(run: RunDetail) -> Attribution | None:
    axes = ("layer", "head")
    return next((item for item in run.attributions if item.method == METHOD and not item.error and item.axes == axes),
                None)  # fmt: skip


def _differences(
    groups: Sequence[str], pair: PairDifference, a: Attribution, b: Attribution, why: Offences
) -> Children:
    found = differences(a, b)
    limit = max((abs(item.difference) for item in found), default=1.0) or 1.0
    one, two = groups
    names = ("Head", f"{one}>", f"{two}>", "Difference, nats", "Look")
    explained = _explained(a, prompt(why, pair.a_run) or prompt(why, pair.b_run))
    said = f": {signed(a.value)} nats for “{one}”, {signed(b.value)} for “{two}”, "
    differ = f". Of {a.scores.size:,} heads the {len(found)} whose ablation differs most:"
    apart = [warning("The two runs were ablated with different parameters: the differences are partly of those.")]
    return [
        html.P([*explained, said, html.B(f"{signed(a.value - b.value)} between them"), differ], className="hs-said"),
        *(apart if a.params != b.params else []),
        board(names, [scale_row(names, 3, "nats", limit), *(_row(pair, item, limit, names) for item in found)]),
        note("What is lost without the head in each prompt (", html.Code(_set(a)),
             "); above 0 in the difference, it speaks for the value of “", one, "”. Later layers are computed anew, "
             "so heads’ effects do not add up to the difference, and a head with a stand-in looks idle. All heads: ",
             dcc.Link(f"“{one}”", href=links.run_heads(pair.a_run, METHOD)), ", ",
             dcc.Link(f"“{two}”", href=links.run_heads(pair.b_run, METHOD)), "."),
    ]  # fmt: skip


def _set(item: Attribution) -> str:
    """The method with what it was set to."""
    return ", ".join([item.method, *(f"{name} = {value}" for name, value in item.params.items())])


def _explained(item: Attribution, why: Offence | None) -> list[Children]:
    """The quantity; its words were judged with the prompt."""
    explained = item.quantity.replace("_", " ").replace("logprob", "log-probability")
    words = f"{quoted(item.target)} − {quoted(item.foil)}" if item.foil else quoted(item.target)
    return [f"{explained[:1].upper()}{explained[1:]} of ", covered(words, words, why)]


def _row(pair: PairDifference, item: HeadDifference, limit: float, names: Sequence[str]) -> html.Tr:
    address = links.compare_heads(pair.a_run, pair.b_run, item.layer, item.head)
    half = Z * item.error
    bar = forest(item.difference, item.difference - half, item.difference + half, limit, address, True, "")
    cells = [
        html.Th(f"{item.layer}.{item.head}", scope="row", title=f"layer {item.layer}, head {item.head}, from 0"),
        html.Td(signed(item.a, 3), className="num"),
        html.Td(signed(item.b, 3), className="num"),
        html.Td(bar),
        html.Td(dcc.Link("compare", href=address)),
    ]
    return html.Tr(labelled(names, cells))


def _missing(
    query: BiasQuery, row: Contrast, pair: PairDifference, runs: Sequence[RunDetail], why: Offences
) -> Component:
    """How to get what the runs have not: for this pair, unless the command would hold a text that is covered, or for
    all pairs of the set."""
    errors = dict.fromkeys(
        item.error for run in runs for item in run.attributions if item.method == METHOD and item.error
    )
    offends = any(prompt(why, run.row.id) for run in runs)
    return empty_box(
        "What the heads do was not measured",
        *[html.P(f"It was asked for and failed: {error}") for error in errors],
        html.P("Head ablation switches each head off in turn, and these two runs have none. Ask for it, and open the "
               f"pair in the experiment “{_experiment(query)}”:"),
        *([] if offends else [copyable(_of_pair(query, runs))]),
        *([] if offends else [html.P("Or for every pair of the set, which takes a pass per layer and prompt:")]),
        copyable(_of_set(query, row, runs[0])),
        icon_name="diagram-3",
    )  # fmt: skip


def _experiment(query: BiasQuery) -> str:
    return f"{query.experiment}-heads"


def _of_pair(query: BiasQuery, runs: Sequence[RunDetail]) -> str:
    rows = [run.row for run in runs]
    prompts = [
        {"id": row.prompt_key, "text": row.text, "target": row.target, "foil": row.foil, "group": row.group_name,
         "pair_id": row.pair_id, "tags": list(row.tags)} for row in rows
    ]  # fmt: skip
    said = " ".join(shlex.quote(json.dumps(one, ensure_ascii=False)) for one in prompts)
    return f"printf '%s\\n' {said} | {shlex.join(_command(query, '-', runs[0]))}"


def _of_set(query: BiasQuery, row: Contrast, run: RunDetail) -> str:
    return shlex.join(_command(query, row.prompt_set, run))


def _command(query: BiasQuery, prompts: str, run: RunDetail) -> list[str]:
    asked = str(run.capsule.get("model") or run.row.model)
    name = ["--name", run.row.model] if run.row.model != asked else []
    return ["headscope", "run", "--prompts", prompts, "--model", asked, *name, "--analyses", METHOD, "--experiment",
            _experiment(query)]  # fmt: skip
