"""The state of the Why page in its link, the pairs of the store, and what the engine is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headscope.analysis.errors import InputError
from headscope.analysis.types.patching import PATCH_COMPONENTS, PatchRequest, PatchResult
from headscope.dashboard import links
from headscope.dashboard.link_state import QueryState, choice, number
from headscope.dashboard.services import ModelListing, Services


def patched(services: Services, query: PatchingQuery) -> PatchResult:
    """The engine's answer. Raises InputError without an engine or a model."""
    if services.engine is None:
        raise InputError("this server computes nothing: start one with `headscope serve`.")
    return services.engine.patch(query.request(first_ready(services.engine.models())))


def first_ready(models: Sequence[ModelListing]) -> str:
    """The model that is chosen where the link names none; "" when none is here."""
    return next((model.name for model in models if model.ready), "")


@dataclass(frozen=True, slots=True)
class PatchingQuery(QueryState):
    """What a link to the page holds; layer and position name the chosen cell. on: the prompt that interventions are
    made in; do: their codes with commas between (`types.interventions`)."""

    clean: str = ""
    corrupted: str = ""
    target: str = ""
    foil: str = ""
    model: str = ""
    component: str = choice("residual", *(name for name in PATCH_COMPONENTS if name != "residual"))
    layer: int | None = number(None, low=0)
    position: int | None = number(None, low=0)
    on: str = choice("clean", "corrupted")
    do: str = ""

    @property
    def cell(self) -> tuple[int, int] | None:
        """The chosen cell, when both its numbers are there."""
        return None if self.layer is None or self.position is None else (self.layer, self.position)

    def request(self, model: str) -> PatchRequest:
        """What the engine is asked."""
        return PatchRequest(
            self.model or model, self.clean, self.corrupted, self.target or None, self.foil or None, self.component,
            self.cell,
        )  # fmt: skip


def href(query: PatchingQuery, **changes: object) -> str:
    """A link to the page with some of its state changed."""
    return links.view(links.PATCHING, replace(query, **changes))  # type: ignore[arg-type]
