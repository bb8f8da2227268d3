"""How much memory this process needed while something ran (Linux: the kernel's own high-water mark)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Peak:
    """`n_bytes`: most memory held inside the block over what was held at its start; -1 where it cannot be read."""

    n_bytes: int = -1


@contextmanager
def peak() -> Iterator[Peak]:
    """Measures the block it encloses. Blocks may not be nested: there is one high-water mark per process."""
    found = Peak()
    try:
        _RESET.write_text("5")  # man 5 proc: resets the peak resident set size
        before = _kilobytes("VmRSS:")
    except OSError:
        yield found
        return
    yield found
    found.n_bytes = max(0, _kilobytes("VmHWM:") - before) * 1024


def _kilobytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])
