"""Prompt sets of this user, kept as ours are: `NAME.jsonl` with its header `NAME.yaml`, found by name afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from headscope.analysis.errors import InputError
from headscope.analysis.types import PromptSet
from headscope.datasets.canonical import canonical_line, canonical_sha256
from headscope.datasets.loaders import load_file

VARIABLE = "HEADSCOPE_PROMPT_SETS"
HEADER = ("version", "licence", "purpose", "provenance", "n_prompts", "sha256")


def folder() -> Path:
    """HEADSCOPE_PROMPT_SETS, or `headscope/prompt_sets` where this user's data lie (XDG_DATA_HOME, ~/.local/share)."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "headscope" / "prompt_sets"


def names() -> list[str]:
    """The user's sets."""
    return sorted(path.stem for path in folder().glob("*.yaml") if path.with_suffix(".jsonl").is_file())


def save(prompt_set: PromptSet, path: Path, provenance: str, *, replace_old: bool = False) -> int:
    """Write the prompts that are valid text to `path` (.jsonl) and what they are to the .yaml beside it; how many.

    Raises InputError for another ending, a set that is there and differs, and a place that cannot be written.
    """
    if path.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise InputError(f"{path}: prompts are written as JSON lines, so the name must end in .jsonl.", "prompt_file")
    usable = [prompt for prompt in prompt_set.prompts if prompt.invalid is None]
    lines = "".join(canonical_line(prompt) + "\n" for prompt in usable)
    sha256 = canonical_sha256(usable)
    header = {
        "version": sha256[:12], "licence": prompt_set.licence, "purpose": prompt_set.purpose,
        "provenance": f"{provenance} on {datetime.now(UTC):%Y-%m-%d}.", "n_prompts": len(usable), "sha256": sha256,
    }  # fmt: skip
    try:
        if path.exists() and not replace_old and path.read_text(encoding="utf-8") != lines:
            raise InputError(
                f"{path} is there and holds other prompts: say --replace, or another --name.", "prompt_file"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines, encoding="utf-8")
        path.with_suffix(".yaml").write_text(yaml.safe_dump(header, sort_keys=False, allow_unicode=True), "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.", "prompt_file"
        ) from error
    return len(usable)


def read(path: Path) -> PromptSet:
    """The prompts of a jsonl file with what the header beside it says of them; as any file where there is none."""
    loaded, header = load_file(path), read_header(path.with_suffix(".yaml"))
    if header is None:
        return loaded
    named = replace(loaded, name=path.stem, licence=str(header["licence"]), purpose=str(header["purpose"]))
    if header["sha256"] == loaded.sha256:
        return replace(named, version=str(header["version"]))
    told = f"{path.name} is not what {path.stem}.yaml beside it describes: its prompts were changed since."
    return replace(named, warnings=(*loaded.warnings, told))


def read_header(path: Path) -> Mapping[str, Any] | None:
    """A header with all its fields; None for anything else."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return found if isinstance(found, Mapping) and set(HEADER) <= found.keys() else None
