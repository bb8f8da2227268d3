"""What other installed packages add: entry points of a group, each loaded for itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

LOG = logging.getLogger("headscope.registry")


def foreign(group: str, taken: Collection[str], what: str, fits: Callable[[Any], bool]) -> dict[str, Any]:
    """What the entry points of `group` load, by name. One whose name is `taken`, that cannot be loaded, or that does
    not fit (is no `what`) is left out with a line in the log: it must not take ours with it."""
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        if point.name in taken or point.name in found:
            leave_out(point.value, f": there is a {point.name} already; its package must give it another name.")
        elif (value := _loaded(point, what, fits)) is not None:
            found[point.name] = value
    return found


def leave_out(where: str, why: str) -> None:
    """Say in the log what of another package is not there, and why."""
    LOG.warning("%s is left out%s", where, why)


def _loaded(point: EntryPoint, what: str, fits: Callable[[Any], bool]) -> Any:
    where = f"{point.name} ({point.value})"
    try:
        value = point.load()
    except Exception as error:  # whatever a strange module raises
        leave_out(where, f", it cannot be imported: {type(error).__name__}: {error}")
        return None
    if not fits(value):
        leave_out(where, f": it is no {what}.")
        return None
    return value
