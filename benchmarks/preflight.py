"""Predicted against taken time: what `headscope run` says a request will need, and what it needs.

Target: predicted / taken between 0.5 and 2 for each of the five requests, on a machine that does nothing else. Each is
a prompt of 10 and one of 32 tokens, run alone, so that nothing hides in a batch.
"""

from __future__ import annotations

import sys
import time

from benchmarks.analysis_cost import MODEL, SENTENCE, cut
from benchmarks.harness import write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.registry import parse_analyses
from headscope.analysis.running.runner import planned, run_batch
from headscope.analysis.types import Prompt, RunSpec

REQUESTS = {
    "standard": "standard",
    "receipts": "standard,receipts",
    "integrated_gradients": "integrated_gradients",
    "head_ablation": "head_ablation",
    "all": "all",
}
LENGTHS = (10, 32)


def main() -> None:
    """`python -m benchmarks.preflight [REQUEST ...]`."""
    backend = HFCausalBackend.load(MODEL)
    found = {name: measured(backend, REQUESTS[name]) for name in sys.argv[1:] or REQUESTS}
    write_result("preflight", {"model": MODEL, "lengths": LENGTHS, "requests": found, "target": "ratio 0.5 to 2"})


def measured(backend: HFCausalBackend, analyses: str) -> list[dict[str, object]]:
    """For each length the seconds predicted and taken, their ratio, and what is said to take most."""
    rows: list[dict[str, object]] = []
    for length in LENGTHS:
        text = cut(backend, SENTENCE, length)
        prompt = Prompt("p", text, counterfactual=text.replace("lighthouse", "station"))
        spec = RunSpec(backend.info.ref, (prompt,), parse_analyses(analyses))
        run_batch(backend, RunSpec(backend.info.ref, (), ("toxicity", "occlusion")), [Prompt("w", "Warm up")])
        needs = planned(backend, spec, 1).needs
        started = time.perf_counter()
        run_batch(backend, spec, [prompt])
        taken = time.perf_counter() - started
        rows.append({
            "tokens": length,
            "predicted_s": round(needs.seconds, 2),
            "taken_s": round(taken, 2),
            "ratio": round(needs.seconds / taken, 2),
            "costliest": {name: round(share, 2) for name, share in needs.costliest},
        })  # fmt: skip
        print(analyses, rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
