"""Integrated gradients: our batching beside captum at several internal batch sizes and inseq in its own environment,
and what the adaptive rule gives for its steps.

Targets: same result as captum for the same path and rule (relative error < 1e-3); not slower than captum at its best;
at least 1.2x faster than inseq 0.7.1.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients

from benchmarks.analysis_cost import MODEL, OPENINGS
from benchmarks.harness import interleaved, ratio, summary, write_result
from benchmarks.peers import INSEQ, inseq_peer
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.integrated_gradients import IntegratedGradients
from headscope.analysis.types import Attribution
from headscope.analysis.workspace import Workspace

PROMPT, TARGET = "The old lighthouse keeper climbed the narrow stairs every", " evening"
N_STEPS = 50
CAPTUM_BATCHES = (5, 10, 25, 50)
NAME = "integrated_gradients"


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    captum = captum_call(backend)
    candidates: dict[str, Callable[[], Any]] = {
        "headscope": lambda: ours(backend, (PROMPT,), TARGET, rule="gausslegendre", n_steps=N_STEPS, baseline="zero")
    }
    candidates |= {f"captum {size}": lambda size=size: captum(size) for size in CAPTUM_BATCHES}
    peer = inseq_peer(backend.info.path, PROMPT, TARGET, N_STEPS)
    if peer is not None:
        candidates |= {f"inseq {size}": lambda size=size: peer.seconds(NAME, size) for size in ("all", "10")}
    seconds = interleaved(candidates, repeats=3)
    best = {
        name: min((key for key in seconds if key.startswith(name)), key=lambda key: statistics.median(seconds[key]))
        for name in ("captum", "inseq")
        if any(key.startswith(name) for key in seconds)
    }
    (found,) = candidates["headscope"]()
    expected = captum(10)
    error = np.abs(found.scores[1:] - expected[1:]).max() / np.abs(expected).max()
    write_result(
        NAME,
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "steps": N_STEPS,
            "seconds": {name: summary(values) for name, values in seconds.items()},
            "relative_error_to_captum": {"value": float(error), "target": "< 1e-3"},
            "speed_beside_best": {name: ratio(seconds[key], seconds["headscope"]) for name, key in best.items()},
            "targets": {"captum": ">= 1.0", "inseq": ">= 1.2"},
            "inseq": INSEQ if peer is not None else "could not be installed: see the output above",
            "adaptive": adaptive(backend),
        },
    )
    if peer is not None:
        peer.close()


def ours(backend: HFCausalBackend, texts: tuple[str, ...], target: str | None, **params: Any) -> list[Attribution]:
    """Everything from text to scores; without a target also the pass that says which token is explained."""
    work = Workspace(backend, [backend.tokenize(text) for text in texts], Capture(gradients=True))
    nothing = torch.zeros(len(texts), backend.info.vocab_size)
    rows = zip(work.texts, work.next_logprobs if target is None else nothing, strict=True)
    targets = [backend.resolve_target(text, target, None, logprobs) for text, logprobs in rows]
    return IntegratedGradients().attribute(work, targets, params)


def captum_call(backend: HFCausalBackend) -> Callable[[int], np.ndarray]:
    """captum on the same path (zero baseline, first token held), last-position logits only, with its delta."""
    text = backend.tokenize(PROMPT)
    token = backend.resolve_target(text, TARGET, None, torch.zeros(backend.info.vocab_size)).token_id
    model = backend.model

    def forward(embeddings: torch.Tensor) -> torch.Tensor:
        logits = model(inputs_embeds=embeddings, use_cache=False, logits_to_keep=1).logits[:, -1]
        return torch.log_softmax(logits, -1)[:, token]

    explainer = CaptumIntegratedGradients(forward)

    def call(internal_batch_size: int) -> np.ndarray:
        embeddings = backend.embed(backend.batch([text]))
        start = torch.zeros_like(embeddings)
        start[:, 0] = embeddings[:, 0]
        scores, _ = explainer.attribute(
            embeddings,
            start,
            n_steps=N_STEPS,
            method="gausslegendre",
            internal_batch_size=internal_batch_size,
            return_convergence_delta=True,
        )
        found: np.ndarray = scores[0].sum(-1).detach().numpy()
        return found

    return call


def adaptive(backend: HFCausalBackend) -> dict[str, Any]:
    """The default settings over a batch of short prompts: cost, convergence, and the error the tolerance stands for."""
    seconds = interleaved({"batch": lambda: ours(backend, OPENINGS, None)}, repeats=2)["batch"]
    found = ours(backend, OPENINGS, None)
    fine = ours(backend, OPENINGS[:4], None, tolerance=5e-3, agreement=1e-2, max_steps=257)
    errors = [
        float(np.abs(one.scores[1:] - other.scores[1:]).max() / abs(other.outcome.value_change))
        for one, other in zip(found, fine, strict=False)
    ]
    return {
        "prompts": len(OPENINGS),
        "mean_tokens": statistics.mean(len(one.scores) for one in found),
        "seconds_per_prompt": round(statistics.median(seconds) / len(OPENINGS), 3),
        "mean_steps": statistics.mean(one.outcome.steps for one in found),
        "converged": sum(one.outcome.converged for one in found),
        "largest_score_error": [round(error, 4) for error in errors],
        "against_steps": [one.outcome.steps for one in fine],
    }


if __name__ == "__main__":
    main()
