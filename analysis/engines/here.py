"""The engine of this process, for commands that compute themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headscope.analysis.engines.threads import prepare_torch
from headscope.analysis.imports import importing

if TYPE_CHECKING:
    from headscope.analysis.engines.inline import InlineEngine


def inline_engine() -> InlineEngine:
    """Imports torch and all model libraries, prepared: call it when there is something to compute."""
    prepare_torch()  # before torch is imported
    with importing("headscope.analysis.engines.inline"):
        from headscope.analysis.engines.inline import InlineEngine
    return InlineEngine()
