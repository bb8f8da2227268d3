"""A Hugging Face sequence classifier as a judge of texts: batched, calibrated, nothing of a long text left unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.models import products
from headscope.analysis.types import Float32

WINDOW = 128
OVERLAP = 32
BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Calibration:
    """Per label: probability = sigmoid(slope x logit + offset) (Platt 1999), and the threshold that says yes."""

    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5


class SequenceClassifier:
    """Scores texts with the labels of a loaded model, where that lies. One instance serves one thread at a time.

    name: what is stored with a score. labels: in the order of the columns. calibration: one entry per label.
    """

    def __init__(
        self, name: str, model: Any, tokenizer: Any, labels: Sequence[str], calibration: Mapping[str, Calibration]
    ) -> None:
        self.name, self.labels = name, tuple(labels)
        self.model, self.tokenizer = model.eval().requires_grad_(False), tokenizer
        products.quicken(model)
        self.calibration = {label: calibration.get(label, Calibration()) for label in self.labels}
        self.multi_label = model.config.problem_type != "single_label_classification"

    def threshold(self, label: str) -> float:
        """The calibrated probability from which `label` is said to be there."""
        return self.calibration[label].threshold

    def score(self, texts: Sequence[str]) -> Float32:
        """Calibrated probabilities `[text, label]`. A long text is read in overlapping windows of 128 tokens, and its
        score is that of the worst; a text without a token is NaN."""
        return self.probabilities(self.logits(texts))

    def logits(self, texts: Sequence[str]) -> Float32:
        """`[text, label]`, of a long text the largest of its windows; NaN for a text without a token."""
        found = np.full((len(texts), len(self.labels)), np.nan, dtype=np.float32)
        windows, owners = self._windows(texts)
        for chosen in batches_of([len(window) for window in windows]):
            values = self._forward([windows[i] for i in chosen])
            for index, row in zip(chosen, values, strict=True):
                owner = owners[index]
                found[owner] = np.fmax(found[owner], row)
        return found

    def probabilities(self, logits: Float32) -> Float32:
        """What the calibration makes of logits `[..., label]`."""
        if not self.multi_label:
            shifted = np.exp(logits - logits.max(-1, keepdims=True))
            return np.asarray(shifted / shifted.sum(-1, keepdims=True), dtype=np.float32)
        slopes = np.array([self.calibration[label].slope for label in self.labels], dtype=np.float32)
        offsets = np.array([self.calibration[label].offset for label in self.labels], dtype=np.float32)
        return np.asarray(1.0 / (1.0 + np.exp(-(slopes * logits + offsets))), dtype=np.float32)

    def _windows(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Token ids of every window, and which text each belongs to."""
        if not texts:
            return [], []
        encoded = self.tokenizer(
            list(texts), truncation=True, max_length=WINDOW, stride=OVERLAP, return_overflowing_tokens=True
        )
        specials = self.tokenizer.num_special_tokens_to_add()
        pairs = zip(encoded["input_ids"], encoded["overflow_to_sample_mapping"], strict=True)
        kept = [(list(ids), int(owner)) for ids, owner in pairs if len(ids) > specials]
        return [ids for ids, _ in kept], [owner for _, owner in kept]

    def _forward(self, windows: Sequence[Sequence[int]]) -> Float32:
        padded = self.tokenizer.pad({"input_ids": list(windows)}, return_tensors="pt")
        device = self.model.get_input_embeddings().weight.device
        moved = {name: values.to(device) for name, values in padded.items()}
        with torch.no_grad():
            logits: Tensor = self.model(**moved).logits
        return np.asarray(logits.float().cpu().numpy())


def batches_of(lengths: Sequence[int]) -> list[list[int]]:
    """Indexes of windows, batch by batch: similar lengths together, with padding no more than `BATCH_TOKENS` tokens."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[index] <= BATCH_TOKENS:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
