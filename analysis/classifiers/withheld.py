"""What is kept of a text that the content filter does not store: a keyed hash, by which somebody who has the text can
find its runs, and which tells nobody else what it was.

A plain hash of a short text is guessed by hashing guesses. So it is HMAC-SHA256 (RFC 2104) with a random key of this
user, which lies beside the user's cache and never in a store: who gets the store cannot try out texts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from headscope.analysis.models.fingerprints import cache_dir

KEY_BYTES = 32
DIGITS = 12
"""Hexadecimal digits that are stored: that two of a million texts share them has a chance of 1 in 560."""


def key_file() -> Path:
    """Where the key lies, for its user alone (mode 600). Without it, hashes that were stored find nothing any more."""
    return cache_dir() / "content-filter.key"


def digest(text: str) -> str:
    """The hash's first `DIGITS`, the same for the same text on every run of this user. Raises OSError where there is no
    key and none can be kept."""
    return hmac.new(_key(key_file()), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:DIGITS]


def _key(path: Path) -> bytes:
    """Made at first use. It appears whole, by a link that only one of several processes can make."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):
            os.link(made, path)
    finally:
        made.unlink(missing_ok=True)
    return path.read_bytes()
