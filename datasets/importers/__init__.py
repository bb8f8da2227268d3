"""Published sets of prompts, read from the files their authors give away, which you have: none comes with Headscope.

A format is one module of this folder with an `IMPORTER`; `FORMATS` has it by name.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.prompt_tags import format_name
from headscope.analysis.types import Prompt, PromptSet
from headscope.datasets.canonical import canonical_sha256
from headscope.datasets.importers.base import KIND, Importer, Source
from headscope.datasets.schema import Problems, read_prompts

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
FORMATS: dict[str, Importer] = {m.IMPORTER.name: m.IMPORTER for m in _MODULES if hasattr(m, "IMPORTER")}


def split_name(source: str) -> tuple[str, str] | None:
    """`("bbq", "data/Religion.jsonl")` of `bbq:data/Religion.jsonl`; None for what names no format."""
    name, colon, path = source.partition(":")
    return (format_name(name), path) if colon and format_name(name) in FORMATS else None


def find(name: str) -> Importer:
    """The importer of a format, in either spelling. Raises UnknownNameError naming those that there are."""
    if format_name(name) not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[format_name(name)]


def load(name: str, *paths: Path, limit: int | None = None, seed: int | None = None) -> PromptSet:
    """The prompts of published files or folders, one after the other. The set's version is the start of its sha256.

    limit: at most so many prompts, in whole items (prompts with one `pair_id` stay together); seed: items in random
    order before the limit, the same for the same seed. Raises UnknownNameError for a format, InputError for a path that
    cannot be read or holds something else, naming every bad row by file, line and column.
    """
    importer = find(name)
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder (looked in {Path.cwd()}).", kind=KIND)
    problems = Problems(importer.name)
    left = Counter[str]()
    sources = [Source(path, problems, left) for path in paths]
    try:
        rows = (replace(row, not_utf8=True) for source in sources for row in importer.rows(source))  # lone surrogates
        prompts, warnings = read_prompts(rows, problems)
    except OSError as error:
        raise InputError(f"{error.filename or paths} cannot be read: {error.strerror or error}.", kind=KIND) from error
    left_out = tuple(f"{importer.name}: left out {count}: {reason}." for reason, count in left.items())
    chosen = whole_items(prompts, limit, seed)
    sha256 = canonical_sha256(chosen)
    said = ", ".join(map(str, paths))
    return PromptSet(
        importer.name, sha256[:12], importer.licence, importer.purpose, sha256, chosen, said, (*warnings, *left_out)
    )


def items(prompts: Sequence[Prompt]) -> int:
    """How many items these prompts are: pairs, questions, or single prompts."""
    return len({prompt.pair_id or prompt.id for prompt in prompts})


def whole_items(prompts: Sequence[Prompt], limit: int | None, seed: int | None) -> tuple[Prompt, ...]:
    """The first prompts up to `limit` without cutting an item in two; the first item is always whole."""
    items: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        items.setdefault(prompt.pair_id or prompt.id, []).append(prompt)
    ordered = list(items.values())
    if seed is not None:
        random.Random(seed).shuffle(ordered)
    chosen: list[Prompt] = []
    for item in ordered:
        if limit is not None and chosen and len(chosen) + len(item) > limit:
            break
        chosen += item
    return tuple(chosen)
