"""The prompt sets that come with Headscope, each cut to a few pairs: for what must run whole, on whatever prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from headscope.analysis.types import Prompt
from headscope.datasets import prompt_sets
from headscope.datasets.canonical import canonical_line, canonical_sha256

KINDS = 4
PAIRS = 2


def build_small_sets(folder: Path) -> Path:
    """A folder to read in place of `prompt_sets.DATA`: the same names, with the checksums of what is left."""
    folder.mkdir()
    for name in prompt_sets.ours():
        loaded = prompt_sets.load(name)
        left = {part.name: _first_pairs(part.prompts)[:PAIRS] for part in loaded.parts}
        header = yaml.safe_load((prompt_sets.DATA / f"{name}.yaml").read_text(encoding="utf-8"))
        if left:
            header["takes"] = {part: min(n, len(left[part])) for part, n in header["takes"].items()}
            kept = [replace(prompt, id=f"{part}/{prompt.id}", pair_id=prompt.pair_id and f"{part}/{prompt.pair_id}",
                            tags=(part, *prompt.tags))
                    for part, n in header["takes"].items() for prompt in left[part][:n]]  # fmt: skip
        else:
            kept = _first_pairs(loaded.prompts)
            (folder / f"{name}.jsonl").write_text("".join(f"{canonical_line(prompt)}\n" for prompt in kept))
        header |= {"n_prompts": len(kept), "sha256": canonical_sha256(kept)}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(header, sort_keys=False))
    return folder


def _first_pairs(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The first pairs, or prompts that have no pair, of the first kinds; a kind is a first tag."""
    kinds: dict[str, set[str]] = {}
    kept = []
    for prompt in prompts:
        kind, pair = prompt.tags[0], prompt.pair_id or prompt.id
        pairs = kinds.setdefault(kind, set()) if kind in kinds or len(kinds) < KINDS else set()
        if kind in kinds and (pair in pairs or len(pairs) < PAIRS):
            pairs.add(pair)
            kept.append(prompt)
    return kept
