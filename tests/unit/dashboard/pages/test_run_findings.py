"""What the Run page says of probes and of other packages' measurements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dash import html
from dash.development.base_component import Component

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.types import MeasuredArray, RunStatus
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.dashboard.pages.run.findings import findings, has_findings
from headscope.dashboard.pages.run.tone import has_tone, tone
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from tests.factories import make_info, make_prompt, make_result, make_set

NORMS = MeasuredArray("norm", ("layer", "position"), np.array([[1.5, np.nan, 2], [3, 4, 5]], np.float32), "nats")
SCALAR = MeasuredArray("one", (), np.array(7, np.float32))
FOUND = (
    ProbeResult("repetition", 0.25, evidence={"spans": [[4, 7], [14, 17]], "words": 8}),
    ProbeResult("stranger", float("nan"), evidence={"error": "nothing to see"}),
    ProbeResult("repetition_loop", 0.5, "medium", {"phrase": "two"}),
    ProbeResult("context_overflow", 0.0, "passed"),
    ToxicityScore("prompt", "toxic", 0.1, "minilm"),
)
READ = {"classifier": "vader-1", "prompt": -0.5, "positive": 0.4, "spans": [[4, 7]]}
TONES = (
    ProbeResult("sentiment", 0.625, "positive", READ),
    ProbeResult("regard", float("nan"), evidence={"error": "nobody is here", "classifier": "r-1", "prompt": None}),
)


@pytest.fixture(scope="module")
def detail(tmp_path_factory: pytest.TempPathFactory) -> RunDetail:
    """The run as it comes back from the store."""
    path = tmp_path_factory.mktemp("found") / "s.duckdb"
    result = replace(make_result(make_prompt("a")), findings=FOUND, measured=(NORMS, SCALAR))
    with Store.open(str(path)) as store:
        job = store.start_job(experiment="e", model="m", spec={}, total=1)
        saved = store.save(job, make_info(), make_set(result.prompt), ("heads",), 0, [result])
        store.finish_job(job, RunStatus.SUCCEEDED)
        with store.engine.connect() as connection:
            sql = "SELECT value FROM v_measured WHERE name = 'norm' ORDER BY element"
            assert [row[0] for row in connection.exec_driver_sql(sql)] == [1.5, None, 2, 3, 4, 5]
        found = store.run(saved.run_ids[0])
    assert found.continuation is not None
    return replace(found, continuation=replace(found.continuation, text="one two three two"))


def parts(item: object, kind: type[Component]) -> list[str]:
    """Text of every component of a kind, in order."""
    if isinstance(item, list | tuple):
        return [text for one in item for text in parts(one, kind)]
    if not isinstance(item, Component):
        return []
    children = getattr(item, "children", None)
    mine = [words(item)] if isinstance(item, kind) else []
    return mine + parts(children if isinstance(children, list | tuple) else [children], kind)


def words(item: object) -> str:
    if isinstance(item, list | tuple):
        return "".join(map(words, item))
    return words(getattr(item, "children", "")) if isinstance(item, Component) else str(item or "")


def test_probes_show_score_and_evidence(detail: RunDetail) -> None:
    body = findings(detail)
    rows = parts(body, html.Tr)
    assert rows[1].startswith("Repetition0.2500")
    assert parts(body, html.Mark) == ["two", "two"]
    assert "stranger" in rows[2]
    assert "not measured: nothing to see" in rows[2]
    assert "0.0" not in rows[2]
    assert rows[3].startswith("Repetition loop0.5000 medium")
    assert not any("verflow" in row for row in rows)  # a detector that found nothing has no row
    assert "minilm" not in words(body)  # toxicity has a card of its own


def test_arrays_come_back_as_they_were_and_are_shown(detail: RunDetail) -> None:
    (norms, one) = sorted(detail.measured, key=lambda item: item.name)
    np.testing.assert_array_equal(norms.values, NORMS.values)
    assert (norms.axes, norms.unit, one.values.shape) == (NORMS.axes, "nats", ())
    cells = parts(findings(detail), html.Td)
    assert {"1.500", "–", "5.000", "7.000"} <= set(cells)
    assert "norm, nats" in words(findings(detail))


def test_tone_has_a_card_of_its_own_with_its_limits(detail: RunDetail) -> None:
    read = replace(detail, findings=(*FOUND, *TONES))
    assert not has_tone(detail)
    assert has_tone(read)
    assert words(findings(read)) == words(findings(detail))
    body = tone(read)
    _, sentiment, regard = parts(body, html.Tr)
    assert sentiment.startswith("Sentimentvader-1+0.62 positive−0.50")
    assert sentiment.endswith("positive: 0.4000")
    assert parts(body, html.Mark) == ["two"]
    assert regard == "Regardr-1––not measured: nobody is here"
    assert all(limit in words(body) for limit in LIMITS.values())


def test_a_run_without_findings_has_no_card(detail: RunDetail) -> None:
    assert has_findings(detail)
    assert not has_findings(replace(detail, measured=(), findings=FOUND[3:]))


def test_many_numbers_are_cut_and_said(detail: RunDetail) -> None:
    wide = MeasuredArray("wide", ("layer", "position"), np.ones((30, 150), np.float32))
    shown = findings(replace(detail, findings=(), measured=(wide,)))
    assert "4,350 more numbers: the SQL view v_measured" in words(shown)
