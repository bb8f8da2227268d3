"""Reads from a store what a model did in the tests of a suite."""

from __future__ import annotations

from headscope.analysis.models.places import EMBEDDED_NAME, is_embedded
from headscope.analysis.statistics.behaviour_tests import Reading, TestResult, judged
from headscope.datasets.behaviour_suites import BehaviourSuite
from headscope.jobs.snapshot import observed
from headscope.storage.interfaces import RunReader


def results(store: RunReader, suite: BehaviourSuite, experiment: str, model: str) -> list[TestResult]:
    """Every test over the newest runs of its prompts, those with the text that the suite has now. Raises what
    `observed` does."""
    name = EMBEDDED_NAME if is_embedded(model) else model
    texts = {prompt.id: prompt.text for prompt in suite.prompt_set.prompts}
    readings = {
        run.key: Reading(run.run_id, run.says, run.target_rank, run.target_logprob, run.margin)
        for run in observed(store, f"{experiment}@{name}")
        if run.prompt_set == suite.prompt_set.name and texts.get(run.key) == run.text and not run.failed
    }
    return [judged(test, readings) for test in suite.tests]
