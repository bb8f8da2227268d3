"""The same thing done by several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(do: Callable[[T], None], given: Sequence[T]) -> None:
    """`do` in a thread for each of `given`; the first error of any is raised here."""
    with ThreadPoolExecutor(len(given)) as pool:
        for _ in pool.map(do, given):
            pass
