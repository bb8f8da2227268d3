"""The places on this machine where a model may lie, without torch, and what makes a folder a model's.

Weights must be safetensors: pickles can run code when they are loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headscope.analysis.errors import BackendError
from headscope.analysis.models import embedded, gemma3, hub
from headscope.analysis.models.fingerprints import cache_dir

EMBEDDED_NAME = embedded.NAME
MODEL_DIR_VARIABLE = "HEADSCOPE_MODEL_DIR"


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model folder on this machine. `source` is `folder`, `model_dir`, `hub`, `packages` or `embedded`."""

    name: str
    path: Path
    source: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A model known by a short name: its hub id, and the size of its weights there."""

    hub_id: str
    family: str
    size_bytes: int


KNOWN: dict[str, Known] = {
    "gpt2": Known("openai-community/gpt2", "GPT-2", 548_000_000),
    "distilgpt2": Known("distilbert/distilgpt2", "GPT-2", 353_000_000),
    "gpt2-medium": Known("openai-community/gpt2-medium", "GPT-2", 1_520_000_000),
    "gpt2-large": Known("openai-community/gpt2-large", "GPT-2", 3_247_000_000),
    "gpt2-xl": Known("openai-community/gpt2-xl", "GPT-2", 6_431_000_000),
}


class Absent(Exception):  # noqa: N818 - not an error: one place does not have the model
    """Why one place does not have the model."""


def check_folder(path: Path) -> None:
    """Raises BackendError, saying what is wrong, unless the folder has a config, safetensors weights, a tokenizer."""
    if not (path / "config.json").is_file():
        raise BackendError(f"the folder {path} has no config.json, so it is not a Hugging Face model folder.")
    if not any(path.glob("*.safetensors")):
        pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl") for file in path.glob(pattern))
        if pickles:
            raise BackendError(
                f"the folder {path} has pickled weights only ({', '.join(pickles[:3])}). Loading a pickle can run "
                "code, so only safetensors are read: save the model again with save_pretrained on a machine where "
                "you trust it."
            )
        raise BackendError(f"the folder {path} has no *.safetensors file: the weights are missing.")
    if not any((path / name).is_file() for name in ("tokenizer.json", "vocab.json", "tokenizer.model")):
        raise BackendError(
            f"the folder {path} has no tokenizer (tokenizer.json, or vocab.json with merges.txt): copy it there."
        )


def read_config(path: Path) -> dict[str, Any]:
    """config.json of a model folder. Raises BackendError when it is not JSON."""
    try:
        config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendError(f"{path / 'config.json'} cannot be read: {error}") from error
    return config


def on_disk(name: str) -> ResolvedModel:
    """The model as the first of these places has it. Raises Absent; BackendError for a folder that is refused."""
    for _, look in ON_DISK:
        with suppress(Absent, OSError):
            found = look(name)
            check_folder(found.path)
            return found
    raise Absent


def model_dir_folders() -> Iterator[Path]:
    """The model folders in HEADSCOPE_MODEL_DIR."""
    root = os.environ.get(MODEL_DIR_VARIABLE)
    with suppress(OSError):
        if root:
            yield from sorted(p for p in Path(root).expanduser().iterdir() if (p / "config.json").is_file())


def looks_like_path(name: str) -> bool:
    """Whether it can be nothing but a path."""
    return name.startswith((".", "~", "/")) or name.endswith("/") or "\\" in name


def is_embedded(name: str) -> bool:
    """Whether it is a name of the embedded model."""
    return name.lower() in (EMBEDDED_NAME, *embedded.ALIASES)


def hub_id(name: str) -> str:
    """Under which id the hub has it."""
    return KNOWN[name].hub_id if name in KNOWN else name


def known_name(repo: str) -> str:
    """The short name of a hub id; the id itself for others."""
    return next((name for name, known in KNOWN.items() if known.hub_id == repo), repo)


def _local_folder(name: str) -> ResolvedModel:
    path = Path(os.path.expanduser(name))  # Path's raises for a user there is not
    if not path.is_dir():
        raise Absent(f"{path} is not a folder")
    if not (path / "config.json").is_file() and not looks_like_path(name):
        raise Absent(f"{path} is a folder without config.json")
    return ResolvedModel(name, path.resolve(), "folder")


def _in_model_dir(name: str) -> ResolvedModel:
    root = os.environ.get(MODEL_DIR_VARIABLE)
    if not root:
        raise Absent("not set")
    path = Path(root).expanduser() / name
    if not name or not path.is_dir():
        raise Absent(f"{path} is not a folder")
    return ResolvedModel(name, path.resolve(), "model_dir")


def _in_hub_cache(name: str) -> ResolvedModel:
    for repo in dict.fromkeys((hub_id(name), name)):
        path = hub.cached(repo)
        if path is not None:
            return ResolvedModel(name, path, "hub", path.name)
    raise Absent("not downloaded yet")


def is_gemma(name: str) -> bool:
    """Whether it is a name of the model that `gemma3` makes of packages."""
    return name.lower() in gemma3.ALIASES


def _of_packages(name: str) -> ResolvedModel:
    if not is_gemma(name):
        raise Absent(f"it is {gemma3.NAME}, another model")
    path = gemma3.folder(cache_dir() / "models")
    if (reason := embedded.damage(path)) is not None:
        raise Absent("not pulled yet" if reason == "first use" else reason)
    return ResolvedModel(gemma3.NAME, path, "packages")


ON_DISK: tuple[tuple[str, Callable[[str], ResolvedModel]], ...] = (
    ("local folder", _local_folder),
    (MODEL_DIR_VARIABLE, _in_model_dir),
    ("hub cache", _in_hub_cache),
    ("pulled packages", _of_packages),
)
"""What a place is called -> how to look there; raises Absent."""
