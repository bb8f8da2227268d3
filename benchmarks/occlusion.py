"""Occlusion of every token of a prompt of 32: our batches beside captum's FeatureAblation at several numbers of
ablations a pass.

Targets: the same scores (largest difference < 1e-3 nats); not slower than captum at its best.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import FeatureAblation

from benchmarks.analysis_cost import MODEL, SENTENCE, cut
from benchmarks.harness import interleaved, ratio, summary, write_result
from headscope.analysis.attribution.masking import Masking, neutral
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.types import Attribution
from headscope.analysis.workspace import Workspace

CAPTUM_PASSES = (1, 8, 31)


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    text = cut(backend, SENTENCE, 32)
    captum = captum_call(backend, text)
    candidates: dict[str, Callable[[], Any]] = {"headscope": lambda: ours(backend, text)}
    candidates |= {f"captum {size}": lambda size=size: captum(size) for size in CAPTUM_PASSES}
    seconds = interleaved(candidates, repeats=2)
    best = min((name for name in seconds if name != "headscope"), key=lambda name: statistics.median(seconds[name]))
    apart = np.abs(ours(backend, text).scores[1:] - captum(8)[1:]).max()
    write_result(
        "occlusion",
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "tokens": len(backend.tokenize(text)),
            "seconds": {name: summary(values) for name, values in seconds.items()},
            "best_of_captum": best,
            "faster_than_captum": {"value": ratio(seconds[best], seconds["headscope"]), "target": ">= 1.0"},
            "largest_difference_nats": {"value": float(apart), "target": "< 1e-3"},
        },
    )


def ours(backend: HFCausalBackend, text: str) -> Attribution:
    """Everything from text to scores, the prompt's own pass included."""
    work = Workspace(backend, [backend.tokenize(text)], Capture())
    target = backend.resolve_target(work.texts[0], None, None, work.next_logprobs[0])
    (found,) = Occlusion().attribute(work, [target], {})
    return found


def captum_call(backend: HFCausalBackend, text: str) -> Callable[[int], np.ndarray]:
    """captum with the same stand-in (the mean embedding), the first token held, last-position logits only."""
    tokens = backend.tokenize(text)
    model, batch = backend.model, backend.batch([tokens])

    def value(embeddings: torch.Tensor) -> torch.Tensor:
        logits = model(inputs_embeds=embeddings, use_cache=False, logits_to_keep=1).logits[:, -1]
        return torch.log_softmax(logits, -1)

    with torch.no_grad():
        inputs = backend.embed(batch)
        token = int(value(inputs)[0].argmax())
        stand_in = neutral(backend, Masking("mean")).expand_as(inputs).clone()
    stand_in[:, 0] = inputs[:, 0]
    units = torch.arange(len(tokens))[None, :, None].expand_as(inputs)
    explainer = FeatureAblation(lambda embeddings: value(embeddings)[:, token])

    def call(at_once: int) -> np.ndarray:
        with torch.no_grad():
            scores = explainer.attribute(inputs, baselines=stand_in, feature_mask=units, perturbations_per_eval=at_once)
        found: np.ndarray = scores[0, :, 0].numpy()
        return found

    return call


if __name__ == "__main__":
    main()
