"""The embedded model's GGUF file with its first blocks only: the real server reads it and answers four times faster.

It keeps the tokenizer, the embeddings and the chat template. What it says is worth nothing: for tests of how answers
are asked for, counted and kept.
"""

from __future__ import annotations

import struct
from pathlib import Path

N_BLOCKS = 2
_NUMBERS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by GGUF's number of its type."""
_STRING, _ARRAY = 8, 9
_COUNTS, _FIRST = 8, 24
"""Where the numbers of tensors and of facts stand, and the first fact."""
_ALIGNMENT = 32
_BLOCK_COUNT = b"llama.block_count" + struct.pack("<I", 4)


def write_shallow_gguf(source: Path, path: Path) -> Path:
    """A copy of the Llama in `source` with N_BLOCKS blocks."""
    whole = source.read_bytes()
    n_tensors, n_facts = struct.unpack_from("<QQ", whole, _COUNTS)
    at = _FIRST
    for _ in range(n_facts):
        at = _after_value(whole, _after_string(whole, at))
    facts = bytearray(whole[:at])
    struct.pack_into("<I", facts, facts.index(_BLOCK_COUNT) + len(_BLOCK_COUNT), N_BLOCKS)
    tensors: list[tuple[bytes, int]] = []
    for _ in range(n_tensors):
        start, at = at, _after_string(whole, at)
        at += 4 + 8 * int.from_bytes(whole[at : at + 4], "little") + 4
        tensors.append((whole[start:at], int.from_bytes(whole[at : at + 8], "little")))
        at += 8
    data = whole[_aligned(at) :]
    ends = [*sorted(offset for _, offset in tensors)[1:], len(data)]
    end_of = dict(zip(sorted(offset for _, offset in tensors), ends, strict=True))
    kept = [(about, data[offset : end_of[offset]]) for about, offset in tensors if _is_kept(about)]
    struct.pack_into("<Q", facts, _COUNTS, len(kept))
    offset = 0
    for about, values in kept:
        facts += about + struct.pack("<Q", offset)
        offset = _aligned(offset + len(values))
    facts += bytes(_aligned(len(facts)) - len(facts))
    path.write_bytes(bytes(facts) + b"".join(values.ljust(_aligned(len(values)), b"\0") for _, values in kept))
    return path


def _is_kept(about: bytes) -> bool:
    name = about[8 : _after_string(about, 0)].decode().split(".")
    return name[0] != "blk" or int(name[1]) < N_BLOCKS


def _after_string(whole: bytes, at: int) -> int:
    return at + 8 + int.from_bytes(whole[at : at + 8], "little")


def _after_value(whole: bytes, at: int) -> int:
    kind = int.from_bytes(whole[at : at + 4], "little")
    at += 4
    if kind == _STRING:
        return _after_string(whole, at)
    if kind != _ARRAY:
        return at + _NUMBERS[kind]
    kind, n = struct.unpack_from("<IQ", whole, at)
    at += 12
    if kind != _STRING:
        return at + n * _NUMBERS[kind]
    for _ in range(n):
        at = _after_string(whole, at)
    return at


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
