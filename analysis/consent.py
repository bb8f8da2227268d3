"""What a user has to say yes to in the environment before the program does it."""

from __future__ import annotations

import os


def given(variable: str) -> bool:
    """Whether the environment variable says a plain yes: `1`, `true` or `yes`."""
    return os.environ.get(variable, "").strip().lower() in ("1", "true", "yes")
