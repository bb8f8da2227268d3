"""Asking a method of a request: why it cannot answer, or its answers with what a budget made of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headscope.analysis.attribution.masking import why_no_replacement
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.backends.needs import unmet
from headscope.analysis.interfaces import LoadedMethod, WhiteBoxBackend
from headscope.analysis.types import Attribution, Target
from headscope.analysis.workspace import Workspace


def reason_against(loaded: LoadedMethod, backend: WhiteBoxBackend) -> str | None:
    """Why the method has no scores for any prompt of this model and request, or None."""
    return (
        loaded.left_out
        or unmet(loaded.needs, backend)
        or loaded.method.not_applicable(backend)
        or why_no_replacement(backend, loaded.params)
    )


def answers(loaded: LoadedMethod, work: Workspace, targets: Sequence[Target]) -> list[Attribution]:
    """One Attribution per prompt of the batch, in their order."""
    found = loaded.method.attribute(work, targets, loaded.params)
    return [_reduced(one, loaded.reduced) for one in found] if loaded.reduced else found


def _reduced(one: Attribution, how: str) -> Attribution:
    return replace(one, outcome=replace(one.outcome, facts={**one.outcome.facts, "budget": how}))


def without_scores(name: str, target: Target, reason: str, loaded: LoadedMethod) -> Attribution:
    """An attribution that failed before its method began."""
    return failed_attribution(name, target, reason, signed=False, seconds=0.0, params=loaded.params)
