"""What failure detectors found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headscope.storage.rows.filters import RunFilter


@dataclass(frozen=True, slots=True)
class DetectorCount:
    """How many runs a detector gave this label, and how many of them people have left open, confirmed or dismissed."""

    detector: str
    label: str
    status: str
    n: int


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One failure: what a detector found in a run, and what people made of it (`status` open without triage)."""

    run_id: str
    model: str
    experiment: str
    prompt_set: str | None
    prompt_key: str
    text: str
    target: str | None
    foil: str | None
    group: str | None
    pair_id: str | None
    tags: tuple[str, ...]
    detector: str
    severity: str
    score: float | None
    evidence: Mapping[str, Any] | None
    status: str
    note: str
    triage_tags: tuple[str, ...]
    who: str


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Which failures: of the runs of `where`; empty texts and tuples leave a condition out."""

    where: RunFilter
    detector: str = ""
    severities: tuple[str, ...] = ()
    status: str = ""
