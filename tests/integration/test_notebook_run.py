"""`store.run`: what is drawn of a run without a server, covered where its text is offensive, and what says why not."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import headscope
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types.findings import ToxicityScore
from headscope.dashboard.units import in_bits
from headscope.notebook.run import Drawn
from headscope.notebook.store import Store as OpenStore
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set

ONE_EACH = ("surprisal", "formation", "norms", "lens", "heads", "attributions")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenStore, list[str]]]:
    """A store with a whole run, an offensive one, one with its text alone, and a failed one; their ids."""
    prompts = [make_prompt(f"p{n}", text, group=None) for n, text in enumerate(
        ("the <b>cat</b> sat", "the wicked dog", "a bird sang", ""))]  # fmt: skip
    results = [make_result(prompt, seed=n, attention=not n, evidence=True) for n, prompt in enumerate(prompts[:3])]
    results[1] = replace(results[1], findings=(ToxicityScore("prompt", "toxic", 0.9, "x"),))
    bare = {"heads": None, "layers": None, "lens": None, "attributions": (), "continuation": None}
    results = [*results[:2], replace(results[2], **bare), make_failure(prompts[3])]
    url = str(tmp_path_factory.mktemp("drawn") / "s.duckdb")
    with Store.open(url) as store:
        job = store.start_job(experiment="drawn", model="tiny", spec={}, total=4)
        ids = store.save(job, make_info(), make_set(*prompts), ["heads"], 0, results).run_ids
    with headscope.open(url) as book:
        yield book, list(ids)


def test_figures_hold_the_numbers_of_the_store(opened: tuple[OpenStore, list[str]]) -> None:
    store, (run_id, *_) = opened
    run = store.run(run_id)
    tokens = store.tokens(run_id)
    drawn = np.array(run.figures.surprisal().data[0].y, float)
    np.testing.assert_allclose(drawn, in_bits(tokens.surprisal.to_numpy(float)), rtol=1e-6)
    heads = store.heads(run_id).pivot(index="layer", columns="head", values="mean_distance")
    np.testing.assert_allclose(np.array(run.figures.heads("mean_distance").data[0].z, float), heads, rtol=1e-6)
    lens = store.lens(run_id).pivot(index="layer", columns="position", values="top_prob")
    np.testing.assert_allclose(np.array(run.figures.lens().data[0].z, float), lens, rtol=1e-6)
    ablation = store.cells(run_id).query("method == 'head_ablation'").pivot(index="a", columns="b", values="score")
    np.testing.assert_allclose(np.array(run.figures.effects("head_ablation").data[0].z, float), ablation, rtol=1e-6)
    weights = np.array(run.figures.attention(1, 2).data[0].z, float)
    below = np.tril_indices(len(weights))
    np.testing.assert_allclose(weights[below], store.attention(run_id)[1, 2].astype(float)[below])
    assert np.isnan(weights[0, 1])


def test_figures_can_be_read_on_their_own(opened: tuple[OpenStore, list[str]]) -> None:
    run = opened[0].run(opened[1][0])
    for name in ONE_EACH:
        figure = getattr(run.figures, name)()
        assert figure.layout.paper_bgcolor == "#ffffff"
        assert figure.layout.template.layout.font.family


def test_no_theme_of_a_notebook_colours_the_facts(opened: tuple[OpenStore, list[str]]) -> None:
    # JupyterLab's dark theme gives rows and their text colours of its own: dark patches on the white paper
    cells = re.findall(r"<t[hd]([^>]*)>", opened[0].run(opened[1][0])._repr_html_())
    assert cells
    assert all("color:#16191d;background:#ffffff" in attributes for attributes in cells)


def test_a_run_is_drawn_whole_and_asks_nobody(
    opened: tuple[OpenStore, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, shown = opened[0].run(opened[1][0]), []
    with pytest.raises(InputError, match="this is none"):
        run.show()
    monkeypatch.setattr(builtins, "display", shown.append, raising=False)
    run.show()
    (drawn,) = shown
    assert isinstance(drawn, Drawn)
    html = drawn._repr_html_()
    assert html.count("Plotly.newPlot(") >= len(ONE_EACH)
    assert "the &lt;b&gt;cat&lt;/b&gt; sat" in html
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", html)


def test_offensive_texts_are_covered_until_asked_for(opened: tuple[OpenStore, list[str]]) -> None:
    store, (_, run_id, *_) = opened
    covered, shown = store.run(run_id), store.run(run_id, offensive="shown")
    for run, readable in ((covered, False), (shown, True)):
        html = run.drawn().html
        assert ("wicked" in html) is ("wicked" in repr(run)) is readable
        assert "prompt (toxic 0.90 by x)" in html
    with pytest.raises(InputError, match="covered"):
        store.run(run_id, offensive="all")


def test_what_was_not_measured_says_how_to_measure_it(opened: tuple[OpenStore, list[str]]) -> None:
    store, (_, _, bare, failed) = opened
    run = store.run(bare)
    for draw, how in (
        (run.figures.lens, "--analyses logit_lens"), (run.figures.formation, "--analyses layers"),
        (run.figures.heads, "--analyses heads"), (run.figures.attributions, "--analyses"),
        (lambda: run.figures.attention(0, 0), "--analyses attention"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=how):
            draw()
    assert run.drawn().html.count("Plotly.newPlot(") == 1
    with pytest.raises(InputError, match="this run failed"):
        store.run(failed).figures.surprisal()
    assert "failed" in store.run(failed)._repr_html_()
    for wrong in (lambda: store.run("none"), lambda: run.figures.heads("x"), lambda: run.figures.effects("x")):
        with pytest.raises(UnknownNameError):
            wrong()


def test_figures_over_runs_say_how_many(opened: tuple[OpenStore, list[str]]) -> None:
    figures = opened[0].figures
    spread = figures.toxicity(experiment="drawn")
    assert spread.data[0].name == "x (n = 1)"
    assert figures.distributions(experiment="drawn").data[0].name == "tiny (n = 3)"
    calibrated = figures.calibration(experiment="drawn").data[1].name
    assert re.fullmatch(r"tiny: error \d\.\d{3} \[.*\], n = 3", calibrated)
    for nothing in (
        lambda: figures.toxicity(experiment="none"), lambda: figures.bias("none"),
        lambda: figures.distributions(experiment="none"), lambda: figures.toxicity(label="none"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            nothing()
    with pytest.raises(UnknownNameError):
        figures.distributions(by="colour")
