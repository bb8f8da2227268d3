"""Why a part of a run is not there."""

from __future__ import annotations

from headscope.storage.rows import RunDetail


def missing_reason(detail: RunDetail, part: str) -> str | None:
    """Why a part of this run is missing, None when it is not or nobody asked for it."""
    return next((item.reason for item in detail.missing if item.part == part), None)
