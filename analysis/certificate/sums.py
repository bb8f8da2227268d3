"""Attributions that must add up to a logit, against the logits of a plain pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from headscope.analysis.backends.needs import unmet
from headscope.analysis.certificate.judging import Subject, by_error
from headscope.analysis.errors import NotApplicable
from headscope.analysis.interfaces import Capture, Method
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import METHODS
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.types.certificate import ModelCheck
from headscope.analysis.workspace import Workspace

SHARE = {"float32": 2e-3, "float16": 2e-2, "bfloat16": 5e-2}
"""The most that may be missing, as a share of what is shared out (the absolute scores together)."""
PATH_SHARE = 2e-2
"""Of an integral: what is missing is the quadrature's, which stops at this share (`integrated_gradients.tolerance`)."""
FINE = {"tolerance": 1e-2, "max_steps": 300}


def adds_up(method: str) -> Callable[[Subject], ModelCheck]:
    """The check that this method's scores and terms add up to the logit of the likeliest next token."""

    def check(subject: Subject) -> ModelCheck:
        found, logit = _explained(subject, method, {})
        parts = [float(np.nansum(found.scores, dtype=np.float64)), *found.outcome.terms.values()]
        size = float(np.nansum(np.abs(found.scores), dtype=np.float64)) + abs(logit)
        error = abs(sum(parts) - logit) / max(size, 1e-6)
        what = f"the scores and terms of {method} add up to the logit of the likeliest next token, {logit:.4g}"
        return by_error(f"{method} sum", error, SHARE[subject.backend.info.ref.dtype], what)

    return check


def path_adds_up(subject: Subject) -> ModelCheck:
    """Integrated gradients in small steps: the scores are the change of the logit from the baseline to the prompt."""
    found, logit = _explained(subject, "integrated_gradients", FINE)
    change = found.outcome.value_change
    if change is None or not np.isfinite(found.value) or found.convergence_delta is None:
        raise ValueError("integrated gradients gave no value of the baseline")
    scores = found.scores[np.isfinite(found.scores)].astype(np.float64)
    size = max(abs(change), float(np.abs(scores).max(initial=0.0)), 1e-6)
    # what it says it explains must be the plain pass' own logit, or the sum would prove nothing
    error = max(abs(scores.sum() - change) / size, abs(found.value - logit) / max(abs(logit), size))
    what = f"the scores of integrated gradients ({found.outcome.steps} steps) add up to the change of the logit"
    limit = max(PATH_SHARE, SHARE[subject.backend.info.ref.dtype])
    return by_error("integrated_gradients sum", float(error), limit, f"{what}, {change:.4g}")


def _explained(subject: Subject, name: str, given: Params) -> tuple[Attribution, float]:
    """The method's answer for the longest prompt's likeliest next token, and that token's logit in a plain pass."""
    backend, entry = subject.backend, METHODS[name]
    loaded: Method = entry.load()()
    if reason := unmet(entry.needs, backend) or loaded.not_applicable(backend):
        raise NotApplicable(reason)
    logits: Tensor = backend.forward(subject.longest, Capture(last_logits_only=True)).logits[0, -1].float()
    best = int(logits.argmax())
    target = Target(best, backend.decode([best])[0], 1, "predicted", 0.0, 1, quantity="logit")
    work = Workspace(backend, subject.longest.texts, Capture(gradients=entry.needs.gradients))
    (found,) = loaded.attribute(work, [target], resolve_params(name, given))
    if found.error is not None:
        raise NotApplicable(found.error)
    return found, float(logits[best])
