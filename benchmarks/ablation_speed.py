"""Ablation of all heads: batched reruns of the later layers against one whole pass per head; the cost of co-ablation.

One after the other in one run, on one prompt of 32 tokens (`TOKENS=32` in the environment); the passes one by one
unembed the last position only. Targets: batched at least 5x faster; co-ablation about twice head ablation.
"""

from __future__ import annotations

import os
import statistics
from typing import Any

import numpy as np
import torch

from benchmarks.analysis_cost import MODEL, SENTENCE, cut
from benchmarks.harness import interleaved, ratio, write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.interventions import Edit
from headscope.analysis.methods.co_ablation import CoAblation
from headscope.analysis.methods.head_ablation import HeadAblation
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace, quantities

TOKENS = int(os.environ.get("TOKENS", "32"))
REPEATS = int(os.environ.get("REPEATS", "3"))


@torch.no_grad()
def one_by_one(backend: HFCausalBackend, work: Workspace, target: Target) -> Any:
    """Effects `[layer, head]`, nats, of one whole pass per head."""
    info, value = backend.info, quantities(work.next_logits, [target])[0]
    found = np.empty((info.n_layers, info.n_heads))
    for layer in range(info.n_layers):
        for head in range(info.n_heads):
            with backend.interventions([Edit("head_output", layer, "zero", head=head)]):
                logits = backend.forward(work.batch, Capture(last_logits_only=True)).logits[:, -1]
            found[layer, head] = float(value - quantities(logits.float(), [target])[0])
    return found


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    text = backend.tokenize(cut(backend, SENTENCE, TOKENS))
    work = Workspace(backend, [text], Capture())
    target = backend.resolve_target(text, None, None, work.next_logprobs[0])
    scores: dict[str, Any] = {}

    def kept(name: str, found: Any) -> None:
        scores[name] = found

    seconds = interleaved(
        {
            "one by one": lambda: kept("alone", one_by_one(backend, work, target)),
            "batched": lambda: kept("batched", HeadAblation().attribute(work, [target], {})[0].scores),
            "co-ablation": lambda: CoAblation().attribute(work, [target], {}),
        },
        repeats=REPEATS,
        warmup=0,  # the model has run above
    )
    write_result(
        "ablation_speed",
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "tokens": len(text),
            "heads": scores["batched"].size,
            "seconds": {name: round(statistics.median(found), 2) for name, found in seconds.items()},
            "batched_speedup": {"value": ratio(seconds["one by one"], seconds["batched"]), "target": ">= 5"},
            "co_ablation_over_batched": {"value": ratio(seconds["co-ablation"], seconds["batched"]), "target": "~ 2"},
            "largest_difference_nats": float(np.abs(scores["alone"] - scores["batched"]).max()),
        },
    )


if __name__ == "__main__":
    main()
