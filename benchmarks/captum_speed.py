"""Occlusion and saliency beside captum's FeatureAblation and Saliency: same model, prompts and targets, in one run.

captum gets what makes it fast: embeddings as its input, the last position's logits only, its best number of variants a
pass, and the first token out of its way, which ours never removes. One prompt of 24 tokens, then eight of different
lengths, which captum takes one after another. Integrated gradients are in `integrated_gradients`, continuations in
`continuation_methods`.

Targets: the same scores (relative error < 1e-3); not slower than captum at its best.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from captum.attr import FeatureAblation
from captum.attr import Saliency as CaptumSaliency

from benchmarks.analysis_cost import MODEL, OPENINGS, SENTENCE, cut
from benchmarks.harness import interleaved, ratio, summary, write_result
from headscope.analysis.attribution.masking import Masking, neutral
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.registry import METHODS
from headscope.analysis.workspace import Workspace

VARIANTS_A_PASS = (1, 8, 32)
Scores = list[np.ndarray]


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    prompts = {"one prompt": [cut(backend, SENTENCE, 24)], "eight prompts": list(OPENINGS[:8])}
    write_result(
        "captum_speed",
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "targets": {"faster_than_captum": ">= 1.0", "relative_error": "< 1e-3"},
            **{
                f"{method}, {name}": compared(backend, texts, method)
                for name, texts in prompts.items()
                for method in ("occlusion", "saliency")
            },
        },
    )


def compared(backend: HFCausalBackend, texts: Sequence[str], method: str) -> dict[str, Any]:
    """Seconds of both, how much faster ours is than captum at its best, and how far the scores are apart."""
    choices = VARIANTS_A_PASS if method == "occlusion" else (1,)
    candidates: dict[str, Callable[[], Scores]] = {"headscope": lambda: ours(backend, texts, method)}
    for size in choices:
        candidates[f"captum {size}"] = lambda size=size: captum(backend, texts, method, size)
    seconds = interleaved(candidates, repeats=5)
    best = min((name for name in seconds if name != "headscope"), key=lambda name: statistics.median(seconds[name]))
    pairs = zip(ours(backend, texts, method), candidates[best](), strict=True)
    errors = [float(np.abs(one[1:] - other).max() / np.abs(other).max()) for one, other in pairs]
    return {
        "tokens": [len(backend.tokenize(text)) for text in texts],
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "captum_at_its_best": best,
        "faster_than_captum": ratio(seconds[best], seconds["headscope"]),
        "relative_error": max(errors),
    }


def ours(backend: HFCausalBackend, texts: Sequence[str], method: str) -> Scores:
    """Everything from text to scores, the shared pass included."""
    needs = METHODS[method].needs
    work = Workspace(backend, [backend.tokenize(text) for text in texts], Capture(gradients=needs.gradients))
    rows = zip(work.texts, work.next_logprobs, strict=True)
    targets = [backend.resolve_target(text, None, None, row) for text, row in rows]
    return [one.scores for one in METHODS[method].load()().attribute(work, targets, {})]


def captum(backend: HFCausalBackend, texts: Sequence[str], method: str, size: int) -> Scores:
    """The same by captum, of all tokens but the first, prompt by prompt."""
    return [captum_alone(backend, text, method, size) for text in texts]


def captum_alone(backend: HFCausalBackend, written: str, method: str, size: int) -> np.ndarray:
    """One prompt; the pass that finds its target is counted, as it is in ours."""
    model, text = backend.model, backend.tokenize(written)
    embeddings = backend.embed(backend.batch([text]))
    first, rest = embeddings[:, :1], embeddings[:, 1:]

    def logprobs(later: torch.Tensor) -> torch.Tensor:
        whole = torch.cat([first.expand(len(later), -1, -1), later], 1)
        logits = model(inputs_embeds=whole, use_cache=False, logits_to_keep=1).logits[:, -1]
        return torch.log_softmax(logits, -1)

    with torch.no_grad():
        token = int(logprobs(rest).argmax())
    if method == "saliency":
        found = CaptumSaliency(lambda later: logprobs(later)[:, token]).attribute(rest.requires_grad_(), abs=False)
        return np.asarray(found[0].norm(dim=-1).detach())
    groups = torch.arange(rest.shape[1])[None, :, None].expand_as(rest)
    scores = FeatureAblation(lambda later: logprobs(later)[:, token]).attribute(
        rest,
        baselines=neutral(backend, Masking("mean")).expand_as(rest),
        feature_mask=groups,
        perturbations_per_eval=size,
    )
    return np.asarray(scores[0, :, 0])


if __name__ == "__main__":
    main()
