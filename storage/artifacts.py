"""Full attention tensors as files: content-addressed, checksummed, written whole or not at all, for this user only.

A file is safetensors with one float16 tensor `attention`: the lower triangles, row by row, `[layer, head, T(T+1)/2]`
(encoding `tril-f16`); a tensor that looks ahead, as no causal model's does, is kept square (`full-f16`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path
from safetensors import SafetensorError
from safetensors.numpy import load, save

from headscope.analysis.errors import StorageError
from headscope.storage import private, session
from headscope.storage.rows import ArtifactRow

VARIABLE = "HEADSCOPE_ARTIFACTS"
TRIANGLE, SQUARE = "tril-f16", "full-f16"
LOST = "lost:"
"""Before the encoding of a row whose file is lost, so that it can be found again."""
COLUMNS = ("kind", "key", "shape", "dtype", "encoding", "bytes", "sha256")


def location(url: str) -> str:
    """Folder (or fsspec address) of a store's artifacts: `HEADSCOPE_ARTIFACTS`, else beside the DuckDB file, else in
    this user's data folder."""
    if configured := os.environ.get(VARIABLE):
        return configured
    path = session.database_path(url)
    if path is not None:
        return str(path.with_name(path.name + ".artifacts"))
    digest = hashlib.sha256(session.shown(url).encode()).hexdigest()[:16]
    return str(user_data_path("headscope") / "artifacts" / digest)


def row_of(values: Mapping[Any, Any]) -> ArtifactRow:
    """What a row of `artifacts` says (`COLUMNS`)."""
    encoding = str(values["encoding"])
    shown = {name: values[name] for name in COLUMNS}
    shown |= {"shape": tuple(values["shape"]), "encoding": encoding.removeprefix(LOST)}
    return ArtifactRow(**shown, lost=encoding.startswith(LOST))


@dataclass(frozen=True, slots=True)
class ArtifactFolder:
    """Where the artifacts of a store lie; any fsspec address."""

    root: str

    def put_attention(self, attention: NDArray[np.float16]) -> ArtifactRow:
        """Write `[layer, head, query, key]` and return what the store keeps of it. Raises StorageError."""
        data, encoding = encode_attention(attention)
        digest = hashlib.sha256(data).hexdigest()
        key = f"attention/{digest[:2]}/{digest}.safetensors"
        try:
            self._write(key, data)
        except OSError as error:
            raise StorageError(
                f"the artifact {key} could not be written to {self.root}: {error}. Free space there, or set {VARIABLE} "
                "to another folder."
            ) from error
        return ArtifactRow("attention", key, attention.shape, "float16", encoding, len(data), digest)

    def get_attention(self, row: ArtifactRow) -> NDArray[np.float16]:
        """The tensor of `put_attention`. Raises StorageError when the file is missing or damaged."""
        data = self.read(row)
        try:
            packed = load(data)["attention"]
        except (SafetensorError, KeyError) as error:
            raise StorageError(f"the artifact {row.key} is no attention tensor: {error}") from error
        return decode_attention(packed, row)

    def read(self, row: ArtifactRow) -> bytes:
        """A file's bytes, checked against its sha256."""
        filesystem, path = self._open(row.key)
        try:
            data: bytes = filesystem.cat_file(path)
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{row.kind} was stored but its file is lost: compute it again, by the same `headscope run` as before. "
                f"({row.key} is not in {self.root}: {error}. If the folder was moved, set {VARIABLE} to it.)"
            ) from error
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise StorageError(
                f"{row.kind} was stored but its file is damaged: run `headscope db check --repair` and then compute it "
                f"again, by the same `headscope run` as before. ({row.key} in {self.root} has another checksum.)"
            )
        return data

    def holds(self, row: ArtifactRow) -> bool:
        """Whether the file is there with the right size; of one that was lost, whether it is whole again."""
        filesystem, path = self._open(row.key)
        try:
            if not row.lost:
                return bool(filesystem.info(path)["size"] == row.bytes)
            self.read(row)
        except (OSError, StorageError):
            return False
        return True

    def files(self) -> list[str]:
        """Keys of all files there, those that were never finished too."""
        filesystem, base = self._open("")
        base = base.rstrip("/")
        return [path[len(base) + 1 :] for path in filesystem.find(base)]

    def age(self, key: str) -> tuple[datetime, int]:
        """When a file was last written, and its bytes. Raises OSError when it is gone."""
        filesystem, path = self._open(key)
        return filesystem.modified(path), int(filesystem.info(path)["size"])

    def remove(self, key: str) -> None:
        """Raises OSError when it cannot be removed."""
        filesystem, path = self._open(key)
        filesystem.rm_file(path)

    def _open(self, key: str) -> tuple[Any, str]:
        filesystem, base = fsspec.core.url_to_fs(self.root)
        return filesystem, f"{base.rstrip('/')}/{key}"

    def _write(self, key: str, data: bytes) -> None:
        filesystem, path = self._open(key)
        if "file" not in (filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)):
            filesystem.pipe_file(path, data)
        elif _is(Path(path), data):
            os.utime(path)  # young again: `headscope db gc` leaves it until its row is there
        else:
            _write_local(Path(path), data)


def _is(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _write_local(path: Path, data: bytes) -> None:
    """Write beside, flush to disk, then rename: a reader finds the whole file or none."""
    private.make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")  # created with mode 600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def encode_attention(attention: NDArray[np.float16]) -> tuple[bytes, str]:
    """safetensors bytes of `[layer, head, query, key]` and the encoding's name."""
    attention = np.ascontiguousarray(attention, dtype=np.float16)
    rows, columns = np.tril_indices(attention.shape[-1])
    if np.triu(attention, 1).any():
        packed, encoding = attention, SQUARE
    else:
        packed, encoding = np.ascontiguousarray(attention[..., rows, columns]), TRIANGLE
    # one entry only: safetensors writes several in any order, and the same tensor must give the same bytes
    return save({"attention": packed}, metadata={"encoding": encoding}), encoding


def decode_attention(packed: NDArray[np.float16], row: ArtifactRow) -> NDArray[np.float16]:
    """Inverse of `encode_attention`; zero above the diagonal."""
    if row.encoding == SQUARE:
        return packed.reshape(row.shape)
    size = row.shape[-1]
    full = np.zeros(row.shape, dtype=np.float16)
    start = 0
    for query in range(size):  # rows are copied whole: a mask of cells takes ten times as long
        full[..., query, : query + 1] = packed[..., start : start + query + 1]
        start += query + 1
    return full
