"""How compute threads wait. Call it before torch is imported."""

from __future__ import annotations

import os


def yield_when_waiting() -> None:
    """Let idle OpenMP threads sleep instead of spinning.

    Two spinning processes on the same cores slow each other 10 to 30 times (measured on 2 cores: a forward pass of
    0.17 s took 5 s beside one busy process); asleep they share. A policy set in the environment is left alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
