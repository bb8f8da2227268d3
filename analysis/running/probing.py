"""Runs the probes a request asks for over the results of a batch. A probe that fails leaves the runs as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headscope.analysis.errors import message
from headscope.analysis.interfaces import Probe, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.probes.samples import Sampler, SamplingProbe
from headscope.analysis.registry import PROBES
from headscope.analysis.types import RunResult, RunSpec, RunStatus
from headscope.analysis.types.findings import Finding, ProbeResult


def probes_of(spec: RunSpec) -> dict[str, tuple[Probe, dict[str, Any]]]:
    """The probes asked for, with their full parameters. Raises UnknownNameError or InputError for a wrong one."""
    return {
        name: (entry.load()(), resolve_params(name, spec.params.get(name, {})))
        for name, entry in PROBES.items()
        if name in spec.analyses
    }


def probed(
    backend: WhiteBoxBackend, probes: Mapping[str, tuple[Probe, dict[str, Any]]], results: Sequence[RunResult]
) -> list[RunResult]:
    """The results with what the probes found; failed runs are not probed.

    A probe that raises is tried prompt by prompt, and where it still does its result is NaN with the reason.
    """
    rows = [row for row, result in enumerate(results) if result.status is RunStatus.SUCCEEDED]
    found: dict[int, tuple[Finding, ...]] = dict.fromkeys(rows, ())
    looked_at, sampler = [results[row] for row in rows], Sampler(backend)
    for probe, params in probes.values():
        for row, items in zip(rows, _scored(backend, sampler, probe, params, looked_at), strict=True):
            found[row] += items
    return [replace(result, findings=found.get(row, ())) for row, result in enumerate(results)]


def _scored(
    backend: WhiteBoxBackend, sampler: Sampler, probe: Probe, params: dict[str, Any], results: Sequence[RunResult]
) -> list[tuple[Finding, ...]]:
    if not results:
        return []
    try:
        if isinstance(probe, SamplingProbe):
            return probe.judged(results, sampler.texts(results, params), params)
        return probe.score(backend, results, params)
    except Exception as error:  # whatever a probe raises must not take the runs with it
        if len(results) > 1:
            return [items for result in results for items in _scored(backend, sampler, probe, params, [result])]
        return [(ProbeResult(probe.NAME, float("nan"), evidence={"error": message(error)}),)]
