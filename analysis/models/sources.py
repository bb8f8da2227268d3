"""Where models come from, without torch: a folder, HEADSCOPE_MODEL_DIR, the Hugging Face hub, the embedded default.

`resolve(name)` looks in that order and says, when it finds nothing, where it looked and why each place had nothing. The
hub's local cache is read freely; a download happens only by `pull` or with HEADSCOPE_ALLOW_HUB=1, never silently.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from headscope.analysis.errors import BackendError
from headscope.analysis.models import embedded, gemma3, hub
from headscope.analysis.models.fingerprints import cache_dir
from headscope.analysis.models.listing import list_models
from headscope.analysis.models.places import (
    EMBEDDED_NAME,
    MODEL_DIR_VARIABLE,
    ON_DISK,
    Absent,
    ResolvedModel,
    check_folder,
    hub_id,
    is_embedded,
    is_gemma,
    looks_like_path,
    on_disk,
    read_config,
)
from headscope.analysis.models.safetensors_header import folder_parameters


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
        except (Absent, OSError) as reason:  # a name too long for a file is in no place either
            reasons.append(f"  {place}: {reason}")
        else:
            check_folder(found.path)
            return found
    raise BackendError("\n".join([f"model {name!r} was not found. Looked in:", *reasons, _advice(name)]))


def pull(name: str, accepts: Callable[[str], bool] = lambda terms: False) -> ResolvedModel:
    """Download `name` from the hub (or prepare the embedded model), so that it can be used offline afterwards.
    accepts: whether the user accepts the terms of a model that is given under its own, shown as text.

    Raises BackendError in one line when the hub cannot be reached or does not have it, or the terms are not accepted.
    """
    if is_embedded(name):
        return _embedded(name)
    with suppress(Absent):
        return on_disk(name)
    if is_gemma(name):
        return _gemma(accepts)
    path, revision = hub.download(hub_id(name))
    check_folder(path)
    return ResolvedModel(name, path, "hub", revision)


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
    if found.source in {"embedded", "packages"}:
        facts["note"] = embedded.NOTE if found.source == "embedded" else gemma3.NOTE
    return facts


def memory_needed(folder: Path, dtype: str) -> int:
    """Bytes to load and run a model: its parameters, a tenth for buffers, and 300 MB for activations and gradients."""
    parameters, _ = folder_parameters(folder)
    return int(parameters * (2 if dtype in ("float16", "bfloat16") else 4) * 1.1) + 300_000_000


def _from_hub(name: str) -> ResolvedModel:
    if looks_like_path(name) or is_embedded(name):
        raise Absent("not a hub id")
    if not hub.allowed():
        raise Absent(f"not asked: downloads need `headscope models pull {name}` or {hub.ALLOW_VARIABLE}=1")
    try:
        path, revision = hub.download(hub_id(name))
    except BackendError as error:
        raise Absent(str(error)) from error
    return ResolvedModel(name, path, "hub", revision)


def _embedded(name: str) -> ResolvedModel:
    if not is_embedded(name):
        raise Absent(f"it is {EMBEDDED_NAME}, another model")
    path = embedded.ensure_converted(cache_dir() / "models", lambda line: print(line, file=sys.stderr))
    return ResolvedModel(EMBEDDED_NAME, path, "embedded")


def _gemma(accepts: Callable[[str], bool]) -> ResolvedModel:
    if not accepts(gemma3.terms()):
        raise BackendError(f"the terms of {gemma3.NAME} were not accepted, so it was not downloaded.")
    path = gemma3.pull(cache_dir() / "models", lambda line: print(line, file=sys.stderr))
    return ResolvedModel(gemma3.NAME, path, "packages")


_PLACES: tuple[tuple[str, Callable[[str], ResolvedModel]], ...] = (
    *ON_DISK,
    ("hub", _from_hub),
    ("embedded model", _embedded),
)


def _advice(name: str) -> str:
    available = [listing.name for listing in list_models() if listing.available]
    download = f"Get it with `headscope models pull {name}` where there is network, or s"
    return (
        f"Available now: {', '.join(available) or 'none'}.\n"
        f"{'S' if looks_like_path(name) else download}et {MODEL_DIR_VARIABLE} to a folder that holds it. "
        f"The built-in alternative is {EMBEDDED_NAME}."
    )


def _first(config: dict[str, Any], *names: str) -> Any:
    return next((config[name] for name in names if config.get(name) is not None), None)
