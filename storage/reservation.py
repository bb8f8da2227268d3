"""The place of a DuckDB file that is not there yet, held by one process while it finds out whether to make the file."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from headscope.storage import owner, private, session


@contextlib.contextmanager
def reserve(path: Path, what: str) -> Iterator[None]:
    """Leave the note of `owner.claim` before there is a file; folders made for it go again when no file came into them.

    Raises StoreHeld when another process has the place.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        private.make_folder(path.parent)
        with contextlib.ExitStack() as stack:
            with _turn(path.parent):
                if (holder := owner.read(path)) is not None:
                    raise session.StoreHeld(path, holder.pid, holder.what)
                stack.enter_context(owner.claim(path, what))
            yield
    finally:
        with contextlib.suppress(OSError):  # not empty
            for folder in made:
                folder.rmdir()


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One process at a time."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then the one of the file to come decides
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
