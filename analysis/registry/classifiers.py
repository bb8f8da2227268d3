"""The text classifiers that judge toxicity."""

from __future__ import annotations

from headscope.analysis.registry.entry import Entry, Registry

CLASSIFIERS = Registry(
    "classifier",
    {
        "minilm": Entry(
            "headscope.analysis.classifiers.embedded_bert:load",
            "MiniLM with LoRA",
            "BERT-architecture encoder with an adapter trained for this project; comes along.",
        ),
        "toxic-bert": Entry(
            "headscope.analysis.classifiers.hub_bert:load",
            "unitary/toxic-bert",
            "A sequence classifier from a local folder or the hub, where there is one.",
        ),
        "linear": Entry(
            "headscope.analysis.classifiers.linear:load",
            "Linear baseline",
            "Hashed letter sequences without a word list: for comparison only.",
        ),
        "bilstm": Entry(
            "headscope.analysis.classifiers.bilstm:load",
            "BiLSTM",
            "Another project's (toxic-comment-classifier), once converted: weak, for comparison only.",
        ),
    },
)
