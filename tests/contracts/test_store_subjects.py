"""Which experiments have runs that a page is about, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Prompt, RunResult
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.storage.read.subjects import SUBJECTS
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_result, make_set


def bare(name: str, **more: object) -> RunResult:
    """A run of which nothing was measured, and what `more` gives it."""
    nothing = {"trace": None, "heads": None, "layers": None, "lens": None, "target": None, "attributions": ()}
    return replace(make_result(Prompt(name, f"Text of {name}"), seed=len(name)), **{**nothing, **more})


def runs() -> dict[str, RunResult]:
    """Experiment -> its one run."""
    whole = make_result(Prompt("whole", "Text"))
    paired = bare("pairs")
    return {
        "nothing": bare("nothing"),
        "failed": make_failure(Prompt("failed", "Text", group="a", pair_id="p")),
        "pairs": replace(paired, prompt=replace(paired.prompt, group="a", pair_id="p")),
        "scores": bare("scores", findings=(ToxicityScore("prompt", "toxic", 0.1, "judge-1"),)),
        "measures": bare("measures", trace=whole.trace),
        "asked again": bare("asked again", findings=(ProbeResult("self_consistency", 0.4, None, {}),)),
        "detections": bare("detections", findings=(ProbeResult("repetition_loop", None, "passed", {}),)),
        "attributions": bare("attributions", attributions=whole.attributions[:1]),
        "heads": bare("heads", heads=whole.heads),
        "blackbox": bare("blackbox", findings=(ProbeResult("perturbation", 0.9, None, {}),)),
        "tested": bare("tested", findings=(ProbeResult("abstention", 1.0, None, {}),)),
    }


MORE = {"measures": {"asked again"}, "blackbox": {"tested"}}


@pytest.mark.parametrize("others", [0, 3], ids=["its one run", "one run among others"])
def test_every_subject_has_its_experiments_only(store_url: str, others: int) -> None:
    """Whichever run of an experiment is asked first: one of them in the middle has it."""
    with Store.open(store_url) as store:
        for name, result in runs().items():
            without = [bare(f"{name} {side} {i}") for i in range(others) for side in ("before", "after")]
            made = [*without[::2], result, *without[1::2]]
            job = store.start_job(experiment=name, model="tiny", spec={}, total=len(made))
            store.save(job, make_info("tiny"), make_set(*(run.prompt for run in made), name=name), [], 0, made)
        for subject in SUBJECTS:
            assert store.experiments_with(subject) == {subject, *MORE.get(subject, ())}, subject
        with pytest.raises(UnknownNameError, match="weather"):
            store.experiments_with("weather")
