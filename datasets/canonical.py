"""The one way a list of prompts is written down for its checksum, whatever file it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from headscope.analysis.types import Prompt

FIELDS = ("counterfactual", "foil", "group", "id", "invalid", "pair_id", "tags", "target", "text")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def canonical_line(prompt: Prompt) -> str:
    """One JSON object with sorted keys and no spaces, characters unescaped; fields that are None or empty are left out,
    but for `id` and `text`.

    >>> canonical_line(Prompt("a", "Hi", target=" there"))
    '{"id":"a","target":" there","text":"Hi"}'
    """
    values = {name: getattr(prompt, name) for name in FIELDS}
    kept = {name: value for name, value in values.items() if value or name in {"id", "text"}}
    return _ENCODER.encode(kept)


def canonical_sha256(prompts: Iterable[Prompt]) -> str:
    """sha256 (hex) of the canonical lines in order, each ended by a newline, in UTF-8."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(canonical_line(prompt).encode())
        digest.update(b"\n")
    return digest.hexdigest()
