"""How torch waits and asks for memory. Call it before torch is imported."""

from __future__ import annotations

import os


def prepare_torch() -> None:
    """Let idle OpenMP threads sleep instead of spinning, and large tensors lie on large pages.

    Two spinning processes on the same cores slow each other 10 to 30 times (measured on 2 cores: a forward pass of
    0.17 s took 5 s beside one busy process); asleep they share. A tensor of 64 MiB on pages of 4 KiB takes the system
    16,384 interrupts to clear, which is a fifth of the processor time of an analysis; where the kernel has no large
    pages to give, nothing changes. What the environment says already is left alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
