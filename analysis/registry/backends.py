"""The model backends."""

from __future__ import annotations

from headscope.analysis.registry.entry import Entry, Registry

BLACK_BOX = "openai_compatible"
"""A model of this backend is behind an API: only its answers are known."""

BACKENDS = Registry(
    "backend",
    {
        "hf_causal": Entry(
            "headscope.analysis.backends.hf_causal:HFCausalBackend",
            "Hugging Face causal LM",
            "GPT-2 of every size and other open causal models, run on this machine.",
        ),
        BLACK_BOX: Entry(
            "headscope.analysis.blackbox.engine:BlackBoxEngine",
            "OpenAI-compatible API",
            "A model behind an API, studied by changing its prompts (`headscope blackbox`).",
        ),
    },
    group="headscope.backends",
)
