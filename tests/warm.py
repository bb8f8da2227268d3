"""Imported by the process that commands are forked from, so that none of them need import or load it again."""

from __future__ import annotations

import gc
import importlib

import torch

from headscope.analysis.classifiers.loaded import classifier

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

torch.set_num_threads(1)  # a pool of threads that is used before a fork hangs after it
for name in MODULES:
    importlib.import_module(name)
classifier("minilm")
gc.collect()
gc.freeze()  # what is looked through for garbage after a fork is copied
