"""Ablation of all heads: batched reruns of the later layers against one whole pass per head; the cost of co-ablation.

In turn in one run, on one prompt of 32 tokens (`TOKENS=32` in the environment). One by one is the loop of a notebook: a
model as transformers loads it, a hook that switches one head off, a call. "our passes" is the same loop over our own
passes, which multiply faster and unembed the last position only: the reruns do 1.94 times less than these, and what is
gained beyond it is that many rows multiply faster than 32. Every turn has a request of its own, which remembers
nothing: co-ablation pays for its first pass over the heads, which it shares with head ablation in a request that asks
for both. Targets: batched at least 5x faster; co-ablation about twice head ablation.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

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
def notebook(model: Any, ids: torch.Tensor, target: Target, n_heads: int) -> Any:
    """Effects `[layer, head]`, nats, as a loop over transformers' own model finds them."""

    def off(at: slice) -> Callable[..., Any]:
        return lambda _, given: (given[0].index_fill(-1, torch.arange(at.start, at.stop), 0.0), *given[1:])

    def value() -> float:
        return float(torch.log_softmax(model(ids).logits[0, -1].float(), -1)[target.token_id])

    whole, found = value(), np.empty((len(model.model.layers), n_heads))
    for layer, block in enumerate(model.model.layers):
        width = block.self_attn.o_proj.in_features // n_heads
        for head in range(n_heads):
            hook = block.self_attn.o_proj.register_forward_pre_hook(off(slice(head * width, (head + 1) * width)))
            found[layer, head] = whole - value()
            hook.remove()
    return found


@torch.no_grad()
def our_passes(backend: HFCausalBackend, work: Workspace, target: Target) -> Any:
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
    target = backend.resolve_target(text, None, None, Workspace(backend, [text], Capture()).next_logprobs[0])
    plain = AutoModelForCausalLM.from_pretrained(backend.info.path, local_files_only=True).eval()
    scores: dict[str, Any] = {}

    def of_a_new_request(name: str, scored: Callable[[Workspace], Any]) -> Callable[[], None]:
        def call() -> None:
            scores[name] = scored(Workspace(backend, [text], Capture()))

        return call

    asked: dict[str, Callable[[Workspace], Any]] = {
        "one by one": lambda work: notebook(plain, work.batch.input_ids, target, backend.info.n_heads),
        "our passes": lambda work: our_passes(backend, work, target),
        "batched": lambda work: HeadAblation().attribute(work, [target], {})[0].scores,
        "co-ablation": lambda work: CoAblation().attribute(work, [target], {})[0].scores,
    }
    seconds = interleaved(
        {name: of_a_new_request(name, scored) for name, scored in asked.items()},
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
            "beside_our_passes": ratio(seconds["our passes"], seconds["batched"]),
            "co_ablation_over_batched": {"value": ratio(seconds["co-ablation"], seconds["batched"]), "target": "~ 2"},
            "largest_difference_nats": {
                name: float(np.abs(scores[name] - scores["batched"]).max()) for name in ("one by one", "our passes")
            },
        },
    )


if __name__ == "__main__":
    main()
