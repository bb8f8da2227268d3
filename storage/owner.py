"""Who holds a DuckDB file. One process owns it; a note beside the file, readable by its user only, says which process
that is and, when it is a server, how to hand work to it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Owner:
    """The owning process. `url` is None for a process that takes no work; `token` is what its API asks for."""

    pid: int
    what: str
    url: str | None = None
    token: str = field(default="", repr=False)


def note_path(database: Path) -> Path:
    """Where the note of a DuckDB file lies."""
    return database.with_name(database.name + ".owner")


def read(database: Path) -> Owner | None:
    """The owner, or None when there is no note or its process is gone."""
    try:
        owner = Owner(**json.loads(note_path(database).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return owner if psutil.pid_exists(owner.pid) else None


@contextlib.contextmanager
def claim(database: Path, what: str, url: str | None = None) -> Iterator[Owner]:
    """Leave a note while this process owns the file. The token is new every time."""
    owner = Owner(os.getpid(), what, url, secrets.token_urlsafe(32) if url else "")
    path = note_path(database)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # created with mode 600
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(owner), file)
    os.replace(temporary, path)
    try:
        yield owner
    finally:
        if (current := read(database)) is None or current.pid == owner.pid:
            path.unlink(missing_ok=True)
