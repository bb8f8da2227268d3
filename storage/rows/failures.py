"""What failure detectors found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headscope.storage.rows.filters import FacetCount, RunFilter


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
    judged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Which failures: of the runs of `where`; empty texts and tuples leave a condition out. triage_tag: one of the tags
    that people gave."""

    where: RunFilter
    detector: str = ""
    severities: tuple[str, ...] = ()
    status: str = ""
    triage_tag: str = ""


@dataclass(frozen=True, slots=True)
class FailureFacets:
    """How many failures have which tag: those of prompts, and those that people gave; most frequent first."""

    tags: tuple[FacetCount, ...]
    triage_tags: tuple[FacetCount, ...]


@dataclass(frozen=True, slots=True)
class PassingRun:
    """A run in which a detector found nothing."""

    run_id: str
    text: str
    pair_id: str | None
