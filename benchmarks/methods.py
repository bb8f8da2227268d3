"""Every registered method on one prompt of 32 tokens: seconds, its share of one bare forward and backward pass, and
peak memory; then all of them in one request, with and without their receipts.

Targets: AttnLRP under 2x one forward and backward pass; the whole set under 60 s on two cores; a peak that does not
grow with the number of steps (integrated gradients with 4x as many).
"""

from __future__ import annotations

import statistics
from typing import Any

import torch

from benchmarks.analysis_cost import MODEL, SENTENCE, bare, cut
from benchmarks.harness import interleaved, summary, write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.registry import METHODS
from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import Attribution, Prompt, RunSpec


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    text = cut(backend, SENTENCE, 32)
    ids = torch.from_numpy(backend.tokenize(text).ids).long()[None]
    passes = interleaved({"bare": lambda: bare(backend, ids)}, repeats=9)["bare"]
    unit = statistics.median(passes)
    each = {name: one(backend, text, name, unit) for name in METHODS}
    whole = interleaved({"methods": lambda: run(backend, text, tuple(METHODS))}, repeats=1, warmup=0)
    evidence = interleaved({"all": lambda: run(backend, text, (*METHODS, "receipts"))}, repeats=1, warmup=0)
    short, long = (
        run(backend, text, ("integrated_gradients",), rule="gausslegendre", n_steps=steps)[0].peak_bytes
        for steps in (64, 256)
    )
    write_result(
        "methods",
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "tokens": len(ids[0]),
            "bare_forward_backward": summary(passes),
            "methods": each,
            "whole_set_s": {"value": round(whole["methods"][0], 1), "target": "< 60"},
            "whole_set_with_receipts_s": round(evidence["all"][0], 1),
            "attn_lrp_over_bare": {"value": each["attn_lrp"]["times_bare"], "target": "< 2.0"},
            "integrated_gradients_peak_mb": {"64 steps": short / 1e6, "256 steps": long / 1e6},
        },
    )


def one(backend: HFCausalBackend, text: str, name: str, unit: float) -> dict[str, Any]:
    """The method alone, its own shared pass included, beside `unit` seconds for the bare passes."""
    calls = interleaved({name: lambda: run(backend, text, (name,))}, repeats=2)[name]
    (found,) = run(backend, text, (name,))
    fastest = min(calls)
    return {
        "seconds": round(fastest, 3),
        "times_bare": round(fastest / unit, 2),
        "peak_mb": round(found.peak_bytes / 1e6, 1),
        "error": found.error,
    }


def run(backend: HFCausalBackend, text: str, analyses: tuple[str, ...], **params: Any) -> tuple[Attribution, ...]:
    """One request as the runner carries it out."""
    spec = RunSpec(backend.info.ref, (), analyses, params={analyses[0]: params} if params else {})
    (result,) = run_batch(backend, spec, [Prompt("p", text)])
    return result.attributions


if __name__ == "__main__":
    main()
