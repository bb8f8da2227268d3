"""What the pages are given: a store to read, an engine when there is one, and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headscope.analysis.types import Continuation
from headscope.analysis.types.interventions import InterventionRequest, InterventionResult
from headscope.analysis.types.judging import Judgement, JudgeRequest
from headscope.analysis.types.live import (
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.analysis.types.patching import PatchRequest, PatchResult
from headscope.dashboard.attention_cache import AttentionCache
from headscope.dashboard.settings import Settings
from headscope.jobs.request import JobRequest
from headscope.storage.interfaces import RunReader
from headscope.storage.sinks import FindingSink


@dataclass(frozen=True, slots=True)
class ModelListing:
    """A model that pages show. `ready` is False when it would have to be fetched first, or, with the sources `store`
    and `api`, when pages may not load it at all or there is nothing to load; `note` says more."""

    name: str
    source: str
    n_params: int | None = None
    ready: bool = True
    note: str = ""


class PageEngine(Protocol):
    """What pages may ask of whatever computes. Torch-free on this side; errors are HeadscopeErrors fit for a user."""

    def live(self, request: LiveRequest, client: str = "", sequence: int = 0) -> LiveResult:
        """Blocks. Raises `line.Superseded` when the same client sends a higher sequence number while this one waits,
        `line.Busy` when too many wait."""

    def explain(self, request: LiveExplainRequest, client: str = "", sequence: int = 0) -> LiveExplanation:
        """A part of what a typed prompt's target rests on; blocks, and raises what `live` does."""

    def write_on(self, request: LiveContinueRequest, client: str = "", sequence: int = 0) -> Continuation:
        """What follows a typed prompt; blocks, and raises what `live` does."""

    def judge(self, request: JudgeRequest, client: str = "", sequence: int = 0) -> Judgement:
        """What a toxicity classifier says of a typed text; blocks, and raises what `live` does."""

    def patch(self, request: PatchRequest) -> PatchResult:
        """Activation patching between two typed prompts; blocks for seconds."""

    def intervene(self, request: InterventionRequest, client: str = "", sequence: int = 0) -> InterventionResult:
        """A typed prompt before and after interventions; blocks, and raises what `live` does."""

    def models(self) -> Sequence[ModelListing]:
        """The models that can be chosen, without loading any, then those of the store that cannot, with the reason."""

    def loading(self) -> str:
        """The model that is being loaded before anybody has asked for it; "" when none is."""

    def content_filter(self) -> str:
        """What is warned of or blocked, in one line; empty when nothing is."""

    def submit(self, request: JobRequest) -> str:
        """Queue a job whose runs are stored; returns its id (see `RunReader.job`)."""


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to `create_app`, and by it to every page and API module. `engine` is None when this process computes
    nothing: pages then say so instead of offering it; `findings` is None when it writes nothing."""

    store: RunReader
    engine: PageEngine | None = None
    settings: Settings = field(default_factory=Settings)
    findings: FindingSink | None = None
    attention: AttentionCache = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """One cache of attention for all pages and routes: each tensor is in memory once."""
        object.__setattr__(self, "attention", AttentionCache(self.store))
