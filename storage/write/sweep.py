"""What `headscope db gc` removes: artifact files that no row names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from headscope.analysis.errors import StorageError
from headscope.storage import schema, session
from headscope.storage.artifacts import ArtifactFolder

OURS = re.compile(r"attention/[0-9a-f]{2}/([0-9a-f]{64}\.safetensors|\.writing-\w+)")
"""Keys that we write; whatever else lies in the folder is not ours to remove."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Files without a row: removed (or, on a dry run, found), and those left because they are young."""

    files: int
    bytes: int
    young: int


def sweep(engine: Engine, folder: ArtifactFolder, grace: timedelta, *, dry_run: bool = False) -> Swept:
    """Remove files that no row names, unless they were written within `grace`: a job writes its files before its rows.

    Raises StorageError when a file cannot be removed, or the folder does not tell how old its files are.
    """
    files = folder.files()
    with session.reading(engine) as connection:  # after the files were listed: a row that came meanwhile counts
        named = set(connection.execute(sa.select(schema.artifacts.c.key).distinct()).scalars())
    limit = datetime.now(UTC) - grace
    removed = size = young = 0
    for key in files:
        if key in named or OURS.fullmatch(key) is None:
            continue
        try:
            written, n = folder.age(key)
            if _utc(written) > limit:
                young += 1
                continue
            if not dry_run:
                folder.remove(key)
        except FileNotFoundError:  # another gc, or a job that finished its file
            continue
        except (OSError, NotImplementedError) as error:
            raise StorageError(
                f"{key} in {folder.root} cannot be judged or removed ({error!r}), {removed} files before it were: see "
                "that you may write there, or remove the file by hand."
            ) from error
        removed, size = removed + 1, size + n
    return Swept(removed, size, young)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
