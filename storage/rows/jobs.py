"""Requests for runs, and what a save gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from headscope.analysis.types import RunStatus


@dataclass(frozen=True, slots=True)
class JobRow:
    """A request for runs and how far it is. Nobody carries out an `interrupted` one: its process is gone.
    `updated_at`: when that process was last heard of, None before version 0005."""

    id: str
    status: RunStatus
    experiment: str
    model: str
    total: int
    done: int
    failed: int
    cached: int
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    host: str | None = None
    pid: int | None = None
    updated_at: datetime | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """Outcome of saving one batch: run ids in the order of the results."""

    run_ids: tuple[str, ...]
