"""Runs whose heads are known: test data of the Heads page, made with numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headscope.analysis.types import RunResult
from headscope.storage.repository import Store
from tests.factories import make_attribution, make_info, make_prompt, make_result, make_set

SHAPE = (10, 3)
N = 12


def results(*, ablated: bool) -> list[RunResult]:
    """Head 2.1 looks one token back, 5.0 is an induction head where tokens repeat, 7.2 is what the answer needs."""
    made = []
    for i in range(N):
        rng = np.random.default_rng(i)
        result = make_result(make_prompt(f"p{i}", f"The cat sat {i}", pair_id=None), seed=i, shape=SHAPE)
        assert result.heads is not None
        result.heads.previous_token[:] = 0.1 + 0.02 * rng.random(SHAPE)
        result.heads.previous_token[2, 1] = 0.8 + 0.05 * rng.random()
        if i % 2:
            result.heads.induction[:] = 0.05 * rng.random(SHAPE)
            result.heads.induction_lift[:] = rng.random(SHAPE)
            result.heads.induction[5, 0] = 0.5 + 0.05 * rng.random()
            result.heads.induction_lift[5, 0] = 4.0 + rng.random()
        scores = 0.01 * rng.standard_normal(SHAPE)
        scores[7, 2] += 1.0
        ablation = replace(make_attribution("head_ablation", scores), axes=("layer", "head"), params={"kind": "zero"})
        direct = replace(make_attribution("direct_logit_attribution", rng.standard_normal((10, 4))),
                         axes=("layer", "component"))  # fmt: skip
        capsule = {**result.capsule, "device": "cpu"}  # as the runner writes it: the Run page reads it
        made.append(replace(result, capsule=capsule, attributions=(ablation, direct) if ablated else ()))
    return made


def fill(store: Store) -> None:
    """The experiment `removed`, and `seen` without attributions."""
    for experiment, ablated in (("removed", True), ("seen", False)):
        made = results(ablated=ablated)
        job = store.start_job(experiment=experiment, model="tiny", spec={}, total=N)
        prompts = make_set(*(result.prompt for result in made), name="cats")
        store.save(job, make_info("tiny"), prompts, ["heads"], 0, made)
