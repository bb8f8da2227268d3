"""Weights of a GGUF file as float32 safetensors, tensor by tensor, without torch."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
_TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_PROJECTIONS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""The linear maps of a block, by llama.cpp's names."""


def write(
    tensors: Sequence[Any], norms: Mapping[str, str], change: Callable[[str, Float32], Float32], path: Path
) -> None:
    """Stream a safetensors file: 8 bytes header length, JSON header, then the tensors one after the other. norms: what
    transformers calls those of a block, by llama.cpp's names, which differ from family to family; change: what
    llama.cpp stores otherwise than transformers, by its name.

    Peak memory is about two of the largest tensor.
    """
    from gguf import dequantize

    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        shape = [int(size) for size in reversed(tensor.shape)]
        end = offset + 4 * int(np.prod(shape))
        header[_name(tensor.name, norms)] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in tensors:
            values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
            np.ascontiguousarray(change(tensor.name, values)).tofile(file)


def _name(name: str, norms: Mapping[str, str]) -> str:
    if name in _TOP:
        return _TOP[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{_PROJECTIONS.get(part) or norms[part]}.weight"
