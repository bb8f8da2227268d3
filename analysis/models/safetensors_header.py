"""Sizes of a model's tensors, read from the headers of its safetensors files; the weights stay on disk."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

from headscope.analysis.errors import BackendError

_BUFFERS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
"""Buffers that old checkpoints store; they are computed, not learnt. A real bias of that name has one dimension."""
_HEADER_LIMIT = 100_000_000


def read_header(path: Path) -> dict[str, Any]:
    """Tensor name -> dtype, shape, offsets. Raises BackendError when the file is not safetensors."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_HEADER_LIMIT, path.stat().st_size):
                raise ValueError(f"its header claims {length} bytes")
            header: dict[str, Any] = json.loads(file.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        if path.stat().st_size < 8 + length + end:
            raise ValueError("it is cut short")
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise BackendError(f"{path} is not a readable safetensors file: {error}. Get it again.") from error
    header.pop("__metadata__", None)
    return header


def folder_parameters(folder: Path) -> tuple[int, int]:
    """Number of parameters stored in a model folder (tied ones once), and bytes of its safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    parameters = sum(
        math.prod(entry["shape"])
        for file in files
        for name, entry in read_header(file).items()
        if not (name.endswith(_BUFFERS) and len(entry["shape"]) != 1)
    )
    return parameters, sum(file.stat().st_size for file in files)
