"""The model backends."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.registry.entry import Entry, Registry

LOADED_HERE = "hf_causal"
"""What loads a model unless another is asked for."""
BLACK_BOX = "openai_compatible"
"""A model of this backend is behind an API: only its answers are known."""


@dataclass(frozen=True, slots=True)
class BackendEntry(Entry):
    """remote: asked over a network, never loaded here; the others load a model from a folder (`LoadsFolders`)."""

    remote: bool = False


BACKENDS: Registry[BackendEntry] = Registry(
    "backend",
    {
        LOADED_HERE: BackendEntry(
            "headscope.analysis.backends.hf_causal:HFCausalBackend",
            "Hugging Face causal LM",
            "GPT-2 of every size and other open causal models, run on this machine.",
        ),
        BLACK_BOX: BackendEntry(
            "headscope.analysis.blackbox.backend:ApiBackend",
            "OpenAI-compatible API",
            "A model behind an API, studied by changing its prompts (`headscope blackbox`).",
            remote=True,
        ),
    },
    group="headscope.backends",
)
