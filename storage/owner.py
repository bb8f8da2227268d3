"""Who holds a DuckDB file. One process owns it; a note beside the file, readable by its user only, says which process
that is and, when it is a server, how to hand work to it.

Whoever may write to the folder may leave a note, so none is taken at its word: it must be this user's own file, closed
to others, name a process that lives and an address of this machine. What answers there then proves that it has the
note's token (`proof`) before it is given work or the token.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from headscope.analysis.errors import StorageError

LOOPBACK_URL = re.compile(r"http://(127(\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}")
MOST_BYTES = 10_000
CLOCK_SECONDS = 2.0
"""A start time is counted from the machine's boot, which itself moves by a second when the clock is corrected."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owning process and when it started (seconds since 1970). `url` is None for a process that takes no work;
    `token` is what its API asks for."""

    pid: int
    started: float
    what: str
    url: str | None = None
    token: str = field(default="", repr=False)


class NotBelieved(StorageError):  # noqa: N818 - what is wrong is the note, not this program
    """A note that is not followed: somebody else may have written it."""

    def __init__(self, note: Path, reason: str) -> None:
        self.note, self.reason = note, reason
        super().__init__(
            f"the note {note} {reason}, so it is not followed and nothing was handed over. If no server of yours holds "
            "this store, delete the note and try again; if one does, start that again."
        )

    def __reduce__(self) -> tuple[type[NotBelieved], tuple[Path, str]]:
        """Crosses process borders whole."""
        return type(self), (self.note, self.reason)


def note_path(database: Path) -> Path:
    """Where the note of a DuckDB file lies."""
    return database.with_name(database.name + ".owner")


def read(database: Path) -> Owner | None:
    """The owner, or None when there is no note, it is damaged, or its process is gone. Raises NotBelieved."""
    path = note_path(database)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be read ({error.strerror})"
        raise NotBelieved(path, reason) from error
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise NotBelieved(path, "is no file")
        owner = _parsed(os.read(handle, MOST_BYTES))
    finally:
        os.close(handle)
    if owner is None or not _lives(owner):
        return None
    if doubt := _doubt(facts, owner):
        raise NotBelieved(path, doubt)
    return owner


def _parsed(content: bytes) -> Owner | None:
    try:
        owner = Owner(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = isinstance(owner.pid, int) and isinstance(owner.started, (int, float))
    texts = isinstance(owner.what, str) and isinstance(owner.token, str) and isinstance(owner.url, str | None)
    return owner if numbers and texts else None


def _lives(owner: Owner) -> bool:
    """Whether the very process that is named runs; its number may have gone to another one since."""
    try:
        process = psutil.Process(owner.pid)
        same = abs(process.create_time() - owner.started) < CLOCK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False


def _doubt(facts: os.stat_result, owner: Owner) -> str:
    """Why a note is not believed, "" when it is."""
    if facts.st_uid != os.geteuid():
        return f"belongs to another user (number {facts.st_uid})"
    if stat.S_IMODE(facts.st_mode) != 0o600:
        return f"is open to others (mode {stat.S_IMODE(facts.st_mode):o} instead of 600)"
    if owner.url is not None and not LOOPBACK_URL.fullmatch(owner.url):
        return f"names {owner.url!r}, which is no address of this machine like http://127.0.0.1:8050"
    return ""


def proof(token: str, nonce: str, database: Path, url: str) -> str:
    """What only a holder of the token can answer to `nonce`: that it serves this file at this address."""
    message = json.dumps(["headscope owner", nonce, os.path.realpath(database), url])
    return hmac.new(token.encode(), message.encode(), hashlib.sha256).hexdigest()


@contextlib.contextmanager
def claim(database: Path, what: str, url: str | None = None) -> Iterator[Owner]:
    """Leave a note while this process owns the file, in place of any other. The token is new every time."""
    started = psutil.Process().create_time()
    owner = Owner(os.getpid(), started, what, url, secrets.token_urlsafe(32) if url else "")
    path = note_path(database)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # created with mode 600
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(owner), file)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(
            f"the note {path} could not be written: {error.strerror}. Headscope leaves it beside a DuckDB file in use: "
            "make room there, or allow this user to write to the folder."
        ) from error
    try:
        yield owner
    finally:
        with contextlib.suppress(NotBelieved):  # then it is not ours to take away
            if read(database) in (None, owner):
                path.unlink(missing_ok=True)
