"""What `headscope score --scorer sentiment` prints: a mean for each group over what was measured, with its interval."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.statistics.intervals import bootstrap_means
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult
from headscope.cli.tone import print_tone
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set

OLD = (0.5, -0.25, 0.75, 0.0, 0.5, math.nan)
YOUNG = (0.25, math.nan)


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = [("old", score) for score in OLD] + [("young", score) for score in YOUNG] + [("silent", math.nan)]
    prompts = [Prompt(f"p{i}", f"Text {i}", group=group) for i, (group, _) in enumerate(made)]
    results = [
        replace(make_result(prompt, seed=i), findings=(ProbeResult("sentiment", score, None, {"classifier": "v"}),))
        for i, (prompt, (_, score)) in enumerate(zip(prompts, made, strict=True))
    ]
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        job = store.start_job(experiment="e", model="tiny", spec={}, total=len(made))
        store.save(job, make_info("tiny"), make_set(*prompts, name="ages"), [], 0, results)
        return store.url


def test_a_mean_for_each_group_over_what_was_measured(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_tone(url, "e", "sentiment")
    told = capsys.readouterr().out
    rows = {line.split()[1]: " ".join(line.split()[2:]) for line in told.splitlines() if line.startswith("ages")}
    found = bootstrap_means(np.array(OLD[:5]), [f"p{i}" for i in range(5)])
    assert rows["old"] == f"5 1 +0.300 [{float(found.low):+.3f}, {float(found.high):+.3f}]"
    assert rows["young"] == "1 1 +0.250 -"  # too few for an interval
    assert rows["silent"] == "0 1 - -"
    assert LIMITS["sentiment"] in told


def test_an_experiment_that_nobody_read_says_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_tone(url, "other", "regard")
    assert "other has no runs to score" in capsys.readouterr().out
