"""Gradient methods over a continuation of ten tokens, beside inseq in its own environment and captum token by token.

Targets: saliency and gradient x input at least 2.5x faster than inseq 0.7.1, integrated gradients at least 1.3x; none
slower than captum.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import Saliency as CaptumSaliency

from benchmarks.analysis_cost import MODEL
from benchmarks.harness import interleaved, ratio, summary, write_result
from benchmarks.peers import INSEQ, inseq_peer
from headscope.analysis.attribution.continuations import Continued, extended
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.running.attributing import load_method
from headscope.analysis.types import Continuation, GenerationParams, TokenizedText

PROMPT = "The old lighthouse keeper climbed the narrow stairs every evening to"
N_TOKENS, N_STEPS = 10, 50
TARGETS = {"saliency": 2.5, "input_x_gradient": 2.5, "integrated_gradients": 1.3}
FIXED = {"integrated_gradients": {"rule": "gausslegendre", "n_steps": N_STEPS, "baseline": "zero"}}
CAPTUM = {
    "saliency": CaptumSaliency,
    "input_x_gradient": CaptumInputXGradient,
    "integrated_gradients": CaptumIntegratedGradients,
}


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    text = backend.tokenize(PROMPT)
    (continuation,) = backend.generate([text], GenerationParams(max_new_tokens=N_TOKENS))
    peer = inseq_peer(backend.info.path, PROMPT, continuation.text, N_STEPS)
    results: dict[str, Any] = {}
    for name, wanted in TARGETS.items():
        candidates: dict[str, Callable[[], Any]] = {
            "headscope": lambda name=name: ours(backend, text, continuation, name),
            "captum": lambda name=name: captum_call(backend, text, continuation, name),
        }
        if peer is not None:
            sizes = ("all", "10") if name in FIXED else ("all",)
            candidates |= {f"inseq {size}": lambda n=name, size=size: peer.seconds(n, size) for size in sizes}
        seconds = interleaved(candidates, repeats=3)
        inseq = [key for key in seconds if key.startswith("inseq")]
        best = min(inseq, key=lambda key: statistics.median(seconds[key]), default=None)
        results[name] = {
            "seconds": {key: summary(values) for key, values in seconds.items()},
            "faster_than_captum": {"value": ratio(seconds["captum"], seconds["headscope"]), "target": ">= 1.0"},
            "faster_than_inseq": {
                "value": None if best is None else ratio(seconds[best], seconds["headscope"]),
                "target": f">= {wanted}",
            },
        }
    if peer is not None:
        peer.close()
    facts = {"model": MODEL, "inseq": INSEQ if peer is not None else "could not be installed: see the output above"}
    shape = {"prompt_tokens": len(text), "generated_tokens": len(continuation.ids), "steps": N_STEPS}
    write_result("continuation_methods", {**facts, **shape, "methods": results})


def ours(backend: HFCausalBackend, text: TokenizedText, continuation: Continuation, name: str) -> Any:
    """The target x source matrix as the runner makes it."""
    methods = {name: load_method(name, FIXED.get(name, {}))}
    return Continued(backend, [text], [continuation], "logprob").explained(methods, Capture(gradients=True))


def captum_call(backend: HFCausalBackend, text: TokenizedText, continuation: Continuation, name: str) -> Any:
    """captum's method for one generated token after another, each on the tokens before it only."""
    whole = extended(text, continuation)
    embeddings = backend.embed(backend.batch([whole]))
    explainer = CAPTUM[name](lambda inputs, token: _logprob(backend, inputs, token))
    fixed: dict[str, Any] = {"n_steps": N_STEPS, "method": "gausslegendre", "internal_batch_size": 10}
    found = []
    for k, token in enumerate(continuation.ids.tolist()):
        inputs = embeddings[:, : len(text) + k].clone().requires_grad_()
        options = fixed if name in FIXED else {}
        found.append(explainer.attribute(inputs, additional_forward_args=(token,), **options))
    return found


def _logprob(backend: HFCausalBackend, inputs: torch.Tensor, token: int) -> torch.Tensor:
    model: Any = backend.model
    logits = model(inputs_embeds=inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
    return torch.log_softmax(logits, -1)[:, token]


if __name__ == "__main__":
    main()
