"""What is found out about a loaded model once, and remembered as long as it lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from headscope.analysis.interfaces import WhiteBoxBackend

T = TypeVar("T")


def once_per_model(function: Callable[[WhiteBoxBackend], T]) -> Callable[[WhiteBoxBackend], T]:
    """`function(backend)`, computed without edits at the first call for a backend, which is not kept alive by it."""
    known: WeakKeyDictionary[WhiteBoxBackend, T] = WeakKeyDictionary()

    @wraps(function)
    def remembered(backend: WhiteBoxBackend) -> T:
        if backend not in known:
            with backend.unedited():
                known[backend] = function(backend)
        return known[backend]

    return remembered
