"""The models pages offer: those that are listed, then those of the store that cannot be loaded, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headscope.analysis.models import listing
from headscope.analysis.models.places import MODEL_DIR_VARIABLE
from headscope.dashboard.services import ModelListing

BEHIND_API = "It is behind an API and has nothing to load: only its stored runs can be looked at."
NOT_LISTED = (
    f"Pages load only models that are listed, no folders: put it in {MODEL_DIR_VARIABLE} where the "
    "server runs, or use `headscope run --model FOLDER`."
)


def offered(stored: Mapping[str, bool]) -> Sequence[ModelListing]:
    """Loads none. stored: names of the models of the store, and whether each is one behind an API."""
    listed = listing.list_models()
    names = {model.name for model in listed}
    return [
        *(ModelListing(model.name, model.source or "", ready=model.available, note=model.note) for model in listed),
        *(
            ModelListing(name, "api" if api else "store", ready=False, note=BEHIND_API if api else NOT_LISTED)
            for name, api in stored.items()
            if name not in names
        ),
    ]
