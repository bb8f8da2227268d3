"""A second scorer, of another project: words into a bidirectional LSTM, trained on the Jigsaw challenge's comments.

Weights and words are those of the package `toxic-comment-classifier` (MIT), converted once by `bilstm_convert`. Weak by
itself: it knows 19,999 words by their letters alone, and single words for groups raise its score. For comparison only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from headscope.analysis.classifiers.bilstm_convert import COMMAND, FACTS, WEIGHTS, folder
from headscope.analysis.classifiers.keras_tokenizer import WordIds
from headscope.analysis.errors import BackendError
from headscope.analysis.models import devices
from headscope.analysis.models.embedded import damage
from headscope.analysis.types import Float32

BATCH = 256
USUAL = 0.5


class BiLstm(torch.nn.Module):
    """Embedding, LSTM both ways, the largest value of each unit over places, a hidden layer, a logit per label."""

    def __init__(self, words: int, width: int, units: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(words, width)
        self.lstm = torch.nn.LSTM(width, units, batch_first=True, bidirectional=True)
        self.hidden = torch.nn.Linear(2 * units, hidden)
        self.out = torch.nn.Linear(hidden, labels)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits `[text, label]` of word ids `[text, place]`; the padding (id 0) is read like a word."""
        states, _ = self.lstm(self.embedding(ids))
        found: Tensor = self.out(torch.relu(self.hidden(states.amax(1))))
        return found


class BiLstmClassifier:
    """name: that of the package and its version. Of a long text it reads the last `length` known words only."""

    def __init__(self, name: str, labels: Sequence[str], length: int, words: WordIds, model: BiLstm) -> None:
        self.name, self.labels, self._length = name, tuple(labels), length
        self._words, self._model = words, model.eval()

    def threshold(self, label: str) -> float:
        """Its makers state none."""
        return USUAL

    def score(self, texts: Sequence[str]) -> Float32:
        """Probabilities `[text, label]`; NaN for a text without a word that it knows."""
        read = self._words.many(texts)
        ids = np.zeros((len(texts), self._length), dtype=np.int64)
        for row, known in zip(ids, read, strict=True):
            if known:
                row[-len(known[-self._length :]) :] = known[-self._length :]
        device = self._model.embedding.weight.device
        found = np.full((len(texts), len(self.labels)), np.nan, dtype=np.float32)
        there = np.flatnonzero([bool(known) for known in read])
        for start in range(0, len(there), BATCH):
            chosen = there[start : start + BATCH]
            with torch.no_grad():
                found[chosen] = self._model(torch.from_numpy(ids[chosen]).to(device)).sigmoid().cpu().numpy()
        return found


def load(where: Path | None = None) -> BiLstmClassifier:
    """The converted classifier. Raises BackendError when it was not converted, or its files are damaged."""
    place = where or folder()
    if (reason := damage(place)) is not None:
        raise BackendError(f"the classifier bilstm is not here ({reason}): {COMMAND}.")
    facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
    tensors = load_file(place / WEIGHTS)
    words, width = tensors["embedding.weight"].shape
    labels, hidden = tensors["out.weight"].shape
    model = BiLstm(words, width, tensors["lstm.weight_hh_l0"].shape[1], hidden, labels)
    model.load_state_dict(tensors)
    known = WordIds(tuple(facts["words"]), facts["filters"])
    return BiLstmClassifier(facts["name"], facts["labels"], facts["length"], known, model.to(devices.fastest()))
