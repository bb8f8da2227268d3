"""Token texts that look like markup reach Plotly as text: the contract of every function that builds a figure."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from headscope.analysis.statistics.calibration import Reliability, SelectiveRisk
from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.analysis.types import TokenizedText
from headscope.analysis.types.patching import PatchRequest, PatchResult
from headscope.dashboard import figures
from headscope.dashboard.figures import (
    attributions,
    behaviour,
    charts,
    confidence,
    effects,
    grids,
    heads,
    layers,
    patching,
    scorer,
    theme,
    toxicity,
)
from tests.factories import make_info, make_result
from tests.unit.dashboard.pages.test_compare_figures import tokenized

HOSTILE = "<b>&lt;a</b>"
DRAWN = "&lt;b&gt;&amp;lt;a&lt;/b&gt;"
Build = Callable[[str], go.Figure]


def found_builders() -> set[Callable[..., Any]]:
    modules = [
        importlib.import_module(f"{figures.__name__}.{item.name}") for item in pkgutil.iter_modules(figures.__path__)
    ]
    return {
        function
        for module in modules
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and function.__annotations__.get("return") == "go.Figure"
    } - {theme.finish}


def patched(text: str) -> PatchResult:
    tokens: TokenizedText = tokenized([text, " cat"])
    values = np.array([[0.0, 1.0]], dtype=np.float32)
    target = make_result().target
    assert target is not None
    asked = PatchRequest("tiny", text, text)
    return PatchResult(asked, make_info(), tokens, tokens, target, -1.0, -2.0, values, values, (), (), None, 0.1)


def reliability(name: str) -> go.Figure:
    half = np.full(1, 0.5)
    return behaviour.reliability({name: Reliability(half, half, half, half, np.array([4]), 0.1, 0.0, 0.2, 4)})


def risk(name: str) -> go.Figure:
    return behaviour.selective_risk({name: SelectiveRisk(np.full(1, 0.5), np.full(1, 0.5), 0.1, 0.1, 1, 0.0, 0.0)})


def sureness(text: str) -> go.Figure:
    one = np.ones(1)
    return confidence.confidence_figure(confidence.ConfidenceInfo((text,), one, one, np.ones(1, np.int32), 1.0))


def formation(text: str) -> go.Figure:
    summary = make_result().layers
    assert summary is not None
    return layers.formation_figure(summary, text)


def over_heads(name: str) -> heads.HeadMap:
    one = np.ones((1, 2))
    return heads.HeadMap(name, "nats", one, one, one, np.ones((1, 2), np.int64), signed=True)


def grid(text: str) -> go.Figure:
    return grids.grid_figure(grids.Grid(np.ones((1, 2)), (text,), (text, "b"), "layer", "token", "nats", True,
                                        [[text, "x"]]))  # fmt: skip


def bars(text: str) -> go.Figure:
    row = attributions.TokenScores("occlusion", "nats", np.ones(2), np.empty(0), "converged")
    return attributions.token_scores([row], (text, "b"))


def effects_of(group: str) -> go.Figure:
    row = EffectRow("margin", "m", "s", "t", group, "b", 1.0, 0.5, 1.5, 0.1, 0.1, 1.0, 0.5, 1.5, 1.0, 0.5, 1.0, 7, 7, 0,
                    6, 1, "wordings", "by hand")  # fmt: skip
    return effects.forest([row], "nats")


WITH_TEXT: dict[Callable[..., go.Figure], Build] = {
    attributions.token_scores: bars,
    effects.forest: effects_of,
    effects.estimates: lambda text: effects.estimates([effects.Estimate(text, 0.5, 0.25, 1.0, text, text)], text, text),
    grids.grid_figure: grid,
    behaviour.distributions: lambda name: behaviour.distributions([behaviour.Panel("t", "u", dict.fromkeys(
        (name, "other"), np.arange(9.0)))]),
    behaviour.reliability: reliability,
    behaviour.selective_risk: risk,
    behaviour.locked_in: lambda name: behaviour.locked_in({name: (2, np.arange(2.0))}),
    charts.histogram: lambda name: charts.histogram(
        np.arange(3.0), [np.array([1, 2])] * 2, [name, "other"], charts.Axis("x")),
    charts.cumulative: lambda name: charts.cumulative(
        [charts.Curve(one, np.arange(2.0), np.array([0.5, 1]), 2) for one in (name, "other")], charts.Axis("x")),
    charts.boxes: lambda name: charts.boxes([charts.Box(name, 0, 1, 2, 3, 4, 2, 9)], charts.Axis("x")),
    charts.scatter: lambda name: charts.scatter(
        [charts.Cloud(one, np.arange(2.0), np.arange(2.0)) for one in (name, "other")],
        charts.Axis("x"), charts.Axis("y", log=True)),
    confidence.confidence_figure: sureness,
    heads.head_spread: lambda name: heads.head_spread([heads.HeadValues(name, "nats", np.arange(9.0))]),
    heads.model_profiles: lambda name: heads.model_profiles(
        [heads.HeadValues(one, "nats", np.arange(9.0)) for one in (name, "other")]),
    heads.looks_and_is: lambda name: heads.looks_and_is(over_heads(name), over_heads("removal")),
    layers.formation_figure: formation,
    patching.patch_figure: lambda text: patching.patch_figure(patched(text), None),
    toxicity.score_spread: lambda name: toxicity.score_spread([
        toxicity.Spread(one, "prompt", (1, 2), 0.5) for one in (name, "other")]),
}  # fmt: skip
WITHOUT_TEXT = {heads.head_map, layers.norms_figure, scorer.threshold_curves}
"""Builders that are given numbers and names of statistics only."""


def strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(key, string) of everything in a figure."""
    if isinstance(value, str):
        yield name, value
    for key, item in value.items() if isinstance(value, dict) else []:
        yield from strings(item, key)
    for item in value if isinstance(value, list) else []:
        yield from strings(item, name)


def test_every_builder_is_asked() -> None:
    assert found_builders() == {*WITH_TEXT, *WITHOUT_TEXT}


@pytest.mark.parametrize("build", WITH_TEXT.values(), ids=[one.__name__ for one in WITH_TEXT])
def test_markup_in_a_text_is_drawn_as_it_is(build: Build) -> None:
    shown, plain = json.loads(build(HOSTILE).to_json()), json.loads(build("harmless").to_json())
    for fig in (shown, plain):
        fig["layout"].pop("template")
    texts = list(strings(shown))
    assert any(DRAWN in text for _, text in texts)
    templates = [text for name, text in texts if name in theme.TEMPLATES]
    assert templates == [text for name, text in strings(plain) if name in theme.TEMPLATES]
    assert not [text for name, text in texts if name not in theme.TEMPLATES and "<" in text]
