"""Trains the classifier of regard: a LoRA adapter on the MiniLM encoder, from the sentences of this project alone.
Three minutes on two cores; the temperature is written into its head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headscope.analysis.classifiers import regard
from headscope.analysis.classifiers.embedded_bert import ADAPTER
from headscope.analysis.training import adapter
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.training.regard_data import training_rows, validation_rows
from headscope.analysis.types import Float32

RECIPE = adapter.Recipe(learning_rate=2e-3, warmup=40, max_length=96, epochs=2)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over texts; labels: one of each row is 1."""
    return nn.functional.cross_entropy(logits, labels)


def train(base: Path, out: Path, recipe: adapter.Recipe = RECIPE, report: Callable[[str], None] = print) -> list[float]:
    """Train on our sentences, fit the temperature on the wordings held back, and save the adapter in the folder `out`;
    the loss of every step."""
    losses = adapter.train(base, training_rows(recipe.seed), out, recipe, cross_entropy, report=report)
    rows = validation_rows()
    temperature = fitted(regard.embedded(out).logits(rows.texts), rows)
    _divide_head(out / ADAPTER, temperature)
    report(f"temperature {temperature:.3f}, fitted on {len(rows.texts)} wordings that were not trained on")
    return losses


def fitted(logits: Float32, rows: LabelledTexts) -> float:
    """The temperature with the least cross-entropy of logits `[text, label]` (Guo et al. 2017, arXiv:1706.04599)."""
    values, labels = torch.from_numpy(logits).double(), torch.from_numpy(rows.labels).double()
    log = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = cross_entropy(values / log.exp(), labels)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return float(log.exp().detach())


def _divide_head(path: Path, temperature: float) -> None:
    tensors = load_file(path)
    for name in tensors:
        if "classifier" in name:
            tensors[name] = tensors[name] / temperature
    save_file(tensors, path, metadata={"format": "pt"})
