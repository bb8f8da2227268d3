"""One set of colours: figures, canvases and pages agree, and text stays readable."""

from __future__ import annotations

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from headscope.dashboard.figures import theme

CSS = (Path(theme.__file__).parents[1] / "assets/50_base/app.css").read_text()


def variables(name: str) -> dict[str, str]:
    """CSS variables of the light or dark block."""
    start = CSS.index(f'[data-bs-theme="{name}"] {{')
    return dict(re.findall(r"(--hs-[\w-]+):\s*([^;]+);", CSS[start : CSS.index("}", start)]))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_canvas_and_plotly_ramps_are_the_same(name: str) -> None:
    found = variables(name)
    assert tuple(found["--hs-ramp-seq"].split(",")) == theme.UNSIGNED_STOPS[name]
    assert tuple(found["--hs-ramp-div"].split(",")) == theme.SIGNED_STOPS[name]


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [(ink, ground) for ink in ("ink", "ink-2", "ink-3", "accent") for ground in ("bg", "surface", "sunken")]
    + [("good", "surface"), ("bad", "surface"), ("busy", "surface"), ("bad", "bad-soft"), ("warn", "warn-soft")]
    + [("accent-strong", "accent-soft"), ("on-accent", "accent"), ("ink-2", "hover"), ("ink-2", "bad-soft")],
)
def test_text_has_enough_contrast(name: str, text: str, ground: str) -> None:
    found = variables(name)
    assert contrast(found[f"--hs-{text}"], found[f"--hs-{ground}"]) >= 4.5


@pytest.mark.parametrize("name", ["light", "dark"])
def test_ramps_are_ordered(name: str) -> None:
    unsigned = [luminance(stop) for stop in theme.UNSIGNED_STOPS[name]]
    assert unsigned == sorted(unsigned, reverse=name == "light")
    signed = [luminance(stop) for stop in theme.SIGNED_STOPS[name]]
    middle = len(signed) // 2
    ends_darker = name == "light"
    assert signed[: middle + 1] == sorted(signed[: middle + 1], reverse=not ends_darker)
    assert signed[middle:] == sorted(signed[middle:], reverse=ends_darker)


def test_a_finished_figure_is_small_and_leaves_its_look_to_the_browser() -> None:
    fig = theme.finish(go.Figure(go.Heatmap(z=[[0, 1]], coloraxis="coloraxis")), height=200)
    fig.update_layout(coloraxis=theme.signed_axis(2.0, "nats"))
    assert fig.layout.coloraxis.cmin == -2.0
    assert "layout" not in json.loads(fig.to_json())["layout"]["template"]
    assert len(fig.to_json()) < 1000
