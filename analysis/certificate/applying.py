"""Which measurements, methods and probes apply to a model, and why not, said by what would refuse them in a run."""

from __future__ import annotations

from headscope.analysis.backends.needs import unmet
from headscope.analysis.errors import message
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.registry import METHODS, analyses
from headscope.analysis.types.certificate import NOT_APPLICABLE, PASSED, ModelCheck


def applying(backend: WhiteBoxBackend) -> tuple[ModelCheck, ...]:
    """One row for each analysis of the registry."""
    rows = []
    for name, entry in analyses().items():
        reason = unmet(entry.needs, backend) or _refusal(backend, name)
        rows.append(ModelCheck(name, NOT_APPLICABLE if reason else PASSED, reason or f"{entry.label} applies"))
    return tuple(rows)


def _refusal(backend: WhiteBoxBackend, name: str) -> str | None:
    if name not in METHODS:
        return None
    try:
        refused: str | None = METHODS[name].load()().not_applicable(backend)
    except Exception as error:  # a method of another package may raise here; a run would say so as well
        return f"it fails on this model ({message(error).splitlines()[0]})"
    return refused
