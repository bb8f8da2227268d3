"""Checksums of a model folder's weights and tokenizer, without torch; large files are hashed once and remembered."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from headscope.analysis.models.embedded import manifest_sha256, sha256_of, write_atomically

CACHE_VARIABLE = "HEADSCOPE_CACHE_DIR"
_TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)


def cache_dir() -> Path:
    """Folder for converted models and recorded checksums: HEADSCOPE_CACHE_DIR, else the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("headscope")


def weights_sha256(folder: Path) -> str:
    """sha256 of the safetensors file; of several, of the lines "name sha256". Remembered, so hashed once per file."""
    files = sorted(folder.glob("*.safetensors"))
    digests = [manifest_sha256(folder, file.name) or _remembered_sha256(file) for file in files]
    if len(files) == 1:
        return digests[0]
    lines = "".join(f"{file.name} {digest}\n" for file, digest in zip(files, digests, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def tokenizer_sha256(folder: Path) -> str:
    """sha256 of the lines "name sha256" of the tokenizer's files."""
    present = [folder / name for name in _TOKENIZER_FILES if (folder / name).is_file()]
    lines = "".join(f"{file.name} {sha256_of(file)}\n" for file in present)
    return hashlib.sha256(lines.encode()).hexdigest()


def _remembered_sha256(file: Path) -> str:
    """The hash of a large file, kept in the cache under its path, size and modification time."""
    real = file.resolve()
    stat = real.stat()
    key = hashlib.sha256(f"{real}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()
    note = cache_dir() / "hashes" / key
    with suppress(OSError):
        known = note.read_text().strip()
        if len(known) == 64:
            return known
    digest = sha256_of(real)
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, digest)
    return digest
