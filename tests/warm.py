"""Imported by the process that commands are forked from, so that none of them need import or load it again."""

from __future__ import annotations

import importlib

from headscope.analysis.imports import importing

MODULES = (
    "alembic.command",
    "duckdb_sqlalchemy",
    "headscope.analysis.backends.hf_causal",
    "headscope.analysis.engines.inline",
    "headscope.cli",
    "headscope.storage.repository",
    "pandas",
    "pyarrow",
    "pydantic",
    "scipy.stats",
    "sklearn.linear_model",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.gpt2.tokenization_gpt2",
    "typer._adapters",
)


def _warm() -> None:
    import torch

    from headscope.analysis.classifiers.loaded import classifier

    torch.set_num_threads(1)  # a pool of threads that is used before a fork hangs after it
    for name in MODULES:
        importlib.import_module(name)
    classifier("minilm")


with importing("headscope.cli"):  # what is looked through for garbage after a fork is copied
    _warm()
