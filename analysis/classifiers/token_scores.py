"""Which words made the classifier say so: integrated gradients of a label's logit (Sundararajan et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from headscope.analysis.classifiers.sequence import WINDOW, SequenceClassifier
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Float32

STEPS = 32


@dataclass(frozen=True, slots=True)
class TokenScores:
    """tokens: as the classifier reads them, without its special ones. spans: int `[token, 2]`, characters of the text.

    scores: float32 `[token]`, shares of the logit's change from the baseline, where every token is padding; positive
    speaks for the label. delta: what the scores miss of that change. value: the logit.
    """

    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    scores: Float32
    delta: float
    value: float


def explain(classifier: SequenceClassifier, text: str, label: str = "toxic", steps: int = STEPS) -> TokenScores:
    """Integrated gradients over the first window (128 tokens) of `text`, midpoint rule, all steps in one batch.

    Raises UnknownNameError for a label the classifier does not have.
    """
    if label not in classifier.labels:
        raise UnknownNameError("label", label, classifier.labels)
    column = classifier.labels.index(label)
    encoded = classifier.tokenizer(
        text, truncation=True, max_length=WINDOW, return_offsets_mapping=True, return_special_tokens_mask=True,
        return_tensors="pt",
    )  # fmt: skip
    embed = classifier.model.get_input_embeddings()
    device = embed.weight.device
    ids, special = encoded["input_ids"].to(device), encoded["special_tokens_mask"][0].bool().to(device)
    with torch.no_grad():
        there = embed(ids)
        baseline = embed(torch.where(special, ids, classifier.tokenizer.pad_token_id))
    points = (torch.arange(steps, device=device) + 0.5) / steps
    path = (baseline + points[:, None, None] * (there - baseline)).requires_grad_(True)
    mask = encoded["attention_mask"].to(device).expand(steps, -1)
    logits = classifier.model(inputs_embeds=path, attention_mask=mask).logits[:, column]
    (gradients,) = torch.autograd.grad(logits.sum(), path)
    shares = (gradients.mean(0, keepdim=True) * (there - baseline)).sum(-1)[0]
    with torch.no_grad():
        ends = torch.cat([there, baseline])
        value, floor = classifier.model(inputs_embeds=ends, attention_mask=mask[:2]).logits[:, column].tolist()
    kept = (~special).nonzero()[:, 0].tolist()
    spans = [tuple(encoded["offset_mapping"][0, i].tolist()) for i in kept]
    return TokenScores(
        tuple(text[start:end] for start, end in spans),
        tuple((int(start), int(end)) for start, end in spans),
        np.asarray(shares[kept].cpu().numpy(), dtype=np.float32),
        float(shares.sum()) - (value - floor),
        float(value),
    )
