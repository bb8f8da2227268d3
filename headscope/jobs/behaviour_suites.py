"""Reads from a store what a model did in the tests of a suite."""

from __future__ import annotations

from pathlib import PurePath

from headscope.analysis.models.places import EMBEDDED_NAME, is_embedded
from headscope.analysis.statistics.behaviour_tests import Reading, TestResult, judged
from headscope.datasets.behaviour_suites import BehaviourSuite
from headscope.storage.rows import Measures


def results(runs: Measures, suite: BehaviourSuite, model: str) -> list[TestResult]:
    """Every test over this model's newest of these runs of its prompts, as the suite has them now: an example that was
    changed and changed back has runs of both, and the newest may be the other's. model: a name, or a folder, of which
    the last part counts."""
    name = PurePath(EMBEDDED_NAME if is_embedded(model) else model).name
    asked = {prompt.id: (prompt.text, prompt.target, prompt.foil) for prompt in suite.prompt_set.prompts}
    readings: dict[str, Reading] = {}
    for i in sorted(range(len(runs)), key=lambda i: runs.run_id[i]):  # ids sort by the moment they were made
        key, mine = runs.prompt_key[i], PurePath(runs.model[i]).name == name
        if mine and asked.get(key) == (runs.text[i], runs.target[i], runs.foil[i]):
            numbers = (float(column[i]) for column in (runs.target_rank, runs.target_logprob, runs.margin))
            readings[key] = Reading(runs.run_id[i], runs.next_token[i], *numbers)
    return [judged(test, readings) for test in suite.tests]
