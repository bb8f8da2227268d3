"""The prompt sets that come with Headscope, and the one way to name any set: `list_sets()` and `load(name or file)`.

A user's own are found after ours (`own_sets`).

A set is two files in `datasets/data`: `NAME.jsonl`, the prompts, and `NAME.yaml`, what they are. A selection is a yaml
file only: it takes the first prompts of other sets under ids `SET/ID`, and brings those sets along as its parts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from headscope.analysis.errors import HeadscopeError, InputError, UnknownNameError
from headscope.analysis.prompt_tags import format_name
from headscope.analysis.types import Prompt, PromptSet
from headscope.datasets import importers, own_sets
from headscope.datasets.canonical import canonical_sha256
from headscope.datasets.loaders import load_file, load_stdin

DATA = Path(__file__).parent / "data"
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class PromptSetInfo:
    """What a set is, without its prompts. `provenance`: who wrote it and how. `sha256` is over the canonical lines."""

    name: str
    version: str
    licence: str
    purpose: str
    provenance: str
    n_prompts: int
    sha256: str


class DamagedSetError(HeadscopeError):
    """A set that comes with Headscope is not what its header says."""


def list_sets() -> list[PromptSetInfo]:
    """Every set that comes along, by name; reads the headers only."""
    return [_info(_header(path)) for path in sorted(DATA.glob("*.yaml"))]


def list_own() -> list[PromptSetInfo]:
    """The sets of this user, by name; reads the headers only."""
    there = {name: own_sets.read_header(own_sets.folder() / f"{name}.yaml") for name in own_sets.names()}
    return [
        PromptSetInfo(name, *(header[key] for key in own_sets.HEADER))
        for name, header in there.items()
        if header is not None and name not in ours()
    ]


def ours() -> list[str]:
    """Names of the sets that come with Headscope."""
    return [path.stem for path in DATA.glob("*.yaml")]


def load(source: str) -> PromptSet:
    """A set by name (one of ours, else one of the user's), the prompts of a file, those of standard input (`-`), or
    of a published format (`bbq:FOLDER`).

    A set of ours is checked against its sha256 (DamagedSetError). Raises UnknownNameError for a name that is neither
    a set nor a file, InputError for a file that cannot be read, naming every bad row by line and column.
    """
    if source == "-":
        return load_stdin()
    if source in ours():
        return _load_ours(source)
    if (own := format_name(source)) in own_sets.names():
        return own_sets.read(own_sets.folder() / f"{own}.jsonl")
    if published := importers.split_name(source):
        return importers.load(published[0], Path(published[1]))
    path = Path(source)
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InputError("the name of the prompts is longer than a file's name can be.", kind="prompt_file")
    if path.is_dir():
        raise InputError(
            f"{source} is a folder: name one prompt file in it, or say FORMAT:{source} for a published set. "
            f"The formats are {', '.join(importers.FORMATS)}.",
            kind="prompt_file",
        )
    if path.exists():
        return own_sets.read(path) if path.suffix.lower() in {".jsonl", ".ndjson"} else load_file(path)
    if path.suffix or len(path.parts) > 1:
        raise InputError(f"{source}: no such file (looked in {Path.cwd()}).", kind="prompt_file")
    raise UnknownNameError(
        "prompt set", source, [*ours(), *own_sets.names()], "A file of your own is named with its ending, like my.csv."
    )


def _load_ours(name: str) -> PromptSet:
    header = _header(DATA / f"{name}.yaml")
    info = _info(header)
    takes: Mapping[str, int] = header.get("takes", {})
    parts = tuple(_load_ours(part) for part in takes)
    prompts = _selected(parts, takes) if takes else load_file(DATA / f"{name}.jsonl").prompts
    sha256 = canonical_sha256(prompts)
    if sha256 != info.sha256 or len(prompts) != info.n_prompts:
        raise DamagedSetError(
            f"prompt set {name!r} is damaged: {len(prompts)} prompts with sha256 {sha256} instead of {info.n_prompts} "
            f"with {info.sha256}. Install Headscope again, or copy {DATA / name}.jsonl and load the copy as your own."
        )
    return PromptSet(name, info.version, info.licence, info.purpose, sha256, prompts, source="headscope", parts=parts)


def _header(path: Path) -> Mapping[str, Any]:
    header: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"name": path.stem, **header}


def _info(header: Mapping[str, Any]) -> PromptSetInfo:
    return PromptSetInfo(**{key: value for key, value in header.items() if key != "takes"})


def _selected(parts: Sequence[PromptSet], takes: Mapping[str, int]) -> tuple[Prompt, ...]:
    """The first prompts of each set; the set's name becomes the start of ids and pair ids, and a tag."""
    return tuple(
        replace(
            prompt,
            id=f"{part.name}/{prompt.id}",
            pair_id=prompt.pair_id and f"{part.name}/{prompt.pair_id}",
            tags=(part.name, *prompt.tags),
        )
        for part in parts
        for prompt in part.prompts[: takes[part.name]]
    )
