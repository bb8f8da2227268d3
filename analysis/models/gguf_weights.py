"""Weights of a GGUF file as float32 safetensors, tensor by tensor, without torch."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def write(
    tensors: Sequence[Any], name_of: Callable[[str], str], change: Callable[[str, Float32], Float32], path: Path
) -> None:
    """Stream a safetensors file: 8 bytes header length, JSON header, then the tensors one after the other. name_of:
    what transformers calls a tensor; change: what llama.cpp stores otherwise than transformers, by llama.cpp's name.

    Peak memory is about two of the largest tensor.
    """
    from gguf import dequantize

    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        shape = [int(size) for size in reversed(tensor.shape)]
        end = offset + 4 * int(np.prod(shape))
        header[name_of(tensor.name)] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in tensors:
            values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
            np.ascontiguousarray(change(tensor.name, values)).tofile(file)


def block_name(name: str, top: dict[str, str], block: dict[str, str]) -> str:
    """What transformers calls the tensor `name`: one of `top`, or one of a `block` of the model. Raises KeyError."""
    if name in top:
        return top[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{block[part]}.weight"
