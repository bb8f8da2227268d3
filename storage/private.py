"""Files of one user. Prompts and what models answered are nobody else's, whatever the system's defaults are."""

from __future__ import annotations

import os
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents for this user only (mode 700); what exists stays as it is."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def keep_to_this_user() -> None:
    """From now on everything that this process creates is for its user only: for programs that own a DuckDB file, which
    makes its log (.wal) anew whenever it likes. Call it before threads start; a library has no business to."""
    os.umask(os.umask(0o077) | 0o077)
