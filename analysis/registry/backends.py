"""The model backends."""

from __future__ import annotations

from headscope.analysis.registry.entry import Entry, Registry

BACKENDS = Registry(
    "backend",
    {
        "hf_causal": Entry(
            "headscope.analysis.backends.hf_causal:HFCausalBackend",
            "Hugging Face causal LM",
            "GPT-2 of every size and other open causal models, run on this machine.",
        ),
        "openai_compatible": Entry(
            "headscope.analysis.blackbox.engine:BlackBoxEngine",
            "OpenAI-compatible API",
            "A model behind an API, studied by changing its prompts (`headscope blackbox`).",
        ),
    },
    group="headscope.backends",
)
