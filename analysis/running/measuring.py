"""The measurements that a request asks for, from the passes its batch shares, each as the type it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from headscope.analysis.backends.needs import unmet
from headscope.analysis.errors import BackendError, NotApplicable
from headscope.analysis.registry import MEASUREMENTS, MeasurementEntry
from headscope.analysis.running.parts import Parts
from headscope.analysis.types import (
    Attribution,
    Continuation,
    HeadSummary,
    LayerSummary,
    LensTable,
    MeasuredArray,
    MissingPart,
    RunSpec,
    Target,
    TokenTrace,
)
from headscope.analysis.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """What the model gave for one prompt: fields of a succeeded RunResult."""

    target: Target | None
    trace: TokenTrace | None
    heads: HeadSummary | None
    layers: LayerSummary | None
    lens: LensTable | None
    attention: np.ndarray[Any, np.dtype[np.float16]] | None
    attributions: tuple[Attribution, ...]
    continuation: Continuation | None
    missing: tuple[MissingPart, ...]
    measured: tuple[MeasuredArray, ...]


def measurements(
    work: Workspace, targets: Sequence[Target], spec: RunSpec, parts: Parts
) -> dict[str, Sequence[object]]:
    """Field of a result -> one value per prompt, of every measurement that is asked for and can be had."""
    found: dict[str, Sequence[object]] = {}
    for name, entry in MEASUREMENTS.items():
        if not (entry.always or name in spec.analyses):
            continue

        def compute(entry: MeasurementEntry = entry) -> Sequence[object]:
            if (reason := unmet(entry.needs, work.backend)) is not None:
                raise NotApplicable(reason)
            values: Sequence[object] = entry.load()(work, targets)
            return values

        column = compute() if entry.always else parts.attempt(name, compute)
        if column is not None:
            found[entry.field or name] = column
    traces = [value(found, "trace", row, TokenTrace) for row in range(len(work.texts))]
    parts.attempt("trace", lambda: _without_gaps(work, [trace for trace in traces if trace is not None]))
    return found


def _without_gaps(work: Workspace, traces: Sequence[TokenTrace]) -> None:
    """Raises BackendError that says after which tokens of a prompt the model predicted nothing; the rest is there."""
    for trace in traces:
        gaps = np.flatnonzero(trace.topk_ids[:, 0] < 0)
        if len(gaps):
            first = f"token {gaps[0]} ({trace.tokens.texts[gaps[0]]!r})"
            raise BackendError(
                work.overflow(f"logits after {len(gaps)} of {len(trace.tokens)} tokens, the first of them {first}")
            )


def arrays(shown: Mapping[str, Sequence[object]], row: int) -> Iterator[MeasuredArray]:
    """What measurements without a field of their own gave for a prompt. Raises TypeError for another kind."""
    for name, entry in MEASUREMENTS.items():
        if not entry.field and (found := value(shown, name, row, MeasuredArray)) is not None:
            yield replace(found, name=name)


def value(shown: Mapping[str, Sequence[object]], name: str, row: int, kind: type[T]) -> T | None:
    """A prompt's value of one measurement, None where it was not measured. Raises TypeError for another kind."""
    found = shown[name][row] if name in shown else None
    if found is not None and not isinstance(found, kind):
        raise TypeError(f"the measurement of {name} gave {type(found).__name__}, not {kind.__name__}")
    return found
