"""Which words made the classifier say so: integrated gradients of a label's logit (Sundararajan et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.classifiers.sequence import WINDOW, SequenceClassifier
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Float32

STEPS = 32


@dataclass(frozen=True, slots=True)
class TokenScores:
    """tokens: as the classifier reads them, without its special ones. spans: int `[token, 2]`, characters of the text.

    scores: float32 `[token]`, shares of the logit's change from the baseline, where every token is padding; positive
    speaks for the label. delta: what the scores miss of that change. value: the logit. terms: what is given to other
    things than these tokens, by name, by a method that shares out the logit itself; `delta` is then its sum's error.
    """

    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    scores: Float32
    delta: float
    value: float
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """The first window (128 tokens) of a text, where the classifier lies. inputs: as its model takes them, `[1, T]`.
    special: bool `[T]`, tokens that are not of the text. column: of the label among the logits."""

    text: str
    inputs: Mapping[str, Tensor]
    special: Tensor
    offsets: tuple[tuple[int, int], ...]
    column: int

    def scored(
        self, shares: Tensor, delta: float, value: float, terms: Mapping[str, float] | None = None
    ) -> TokenScores:
        """Shares `[T]` of all tokens as scores of those of the text."""
        kept = (~self.special).nonzero()[:, 0].tolist()
        spans = tuple(self.offsets[i] for i in kept)
        scores = np.asarray(shares[kept].detach().cpu().numpy(), dtype=np.float32)
        return TokenScores(
            tuple(self.text[start:end] for start, end in spans), spans, scores, delta, value, dict(terms or {})
        )


def read(classifier: SequenceClassifier, text: str, label: str) -> Reading:
    """What is explained of `text`. Raises UnknownNameError for a label the classifier does not have."""
    if label not in classifier.labels:
        raise UnknownNameError("label", label, classifier.labels)
    encoded = classifier.tokenizer(
        text, truncation=True, max_length=WINDOW, return_offsets_mapping=True, return_special_tokens_mask=True,
        return_tensors="pt",
    )  # fmt: skip
    device = classifier.model.get_input_embeddings().weight.device
    special = encoded.pop("special_tokens_mask")[0].bool().to(device)
    offsets = tuple((int(start), int(end)) for start, end in encoded.pop("offset_mapping")[0].tolist())
    inputs = {name: values.to(device) for name, values in encoded.items()}
    return Reading(text, inputs, special, offsets, classifier.labels.index(label))


def explain(classifier: SequenceClassifier, text: str, label: str = "toxic", steps: int = STEPS) -> TokenScores:
    """Integrated gradients over the first window (128 tokens) of `text`, midpoint rule, all steps in one batch.

    Raises UnknownNameError for a label the classifier does not have.
    """
    found = read(classifier, text, label)
    embed = classifier.model.get_input_embeddings()
    ids, column = found.inputs["input_ids"], found.column
    with torch.no_grad():
        there = embed(ids)
        baseline = embed(torch.where(found.special, ids, classifier.tokenizer.pad_token_id))
    points = (torch.arange(steps, device=ids.device) + 0.5) / steps
    path = (baseline + points[:, None, None] * (there - baseline)).requires_grad_(True)
    mask = found.inputs["attention_mask"].expand(steps, -1)
    logits = classifier.model(inputs_embeds=path, attention_mask=mask).logits[:, column]
    (gradients,) = torch.autograd.grad(logits.sum(), path)
    shares = (gradients.mean(0, keepdim=True) * (there - baseline)).sum(-1)[0]
    with torch.no_grad():
        ends = torch.cat([there, baseline])
        value, floor = classifier.model(inputs_embeds=ends, attention_mask=mask[:2]).logits[:, column].tolist()
    return found.scored(shares, float(shares.sum()) - (value - floor), float(value))
