"""A switch on the Why page at 16 tokens (goal: 400 ms on 2 cores), against a bare forward pass of the prompt in turn.

A switch is what the route does for one click: the request to the worker process, one pass over the prompt as it is, the
changed one and, for a patch, the other prompt, and the answer as JSON. Not in it: the browser's own drawing.

`REPEATS=30` in the environment: how often each is timed, in turn.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.harness import interleaved, ratio, summary, write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.engines.local import LocalEngine
from headscope.analysis.interfaces import Capture
from headscope.analysis.types.interventions import Intervention, InterventionRequest
from headscope.dashboard.api.interventions import before_and_after

MODEL = "smollm2-135m-instruct"
TEXT = "Yesterday when Anna and Peter went to the shop, Peter gave a drink to"
SOURCE = "Yesterday when Peter and Anna went to the shop, Anna gave a drink to"
TARGET, FOIL = " Anna", " Peter"
REPEATS = int(os.environ.get("REPEATS", "30"))
GOAL_MS = 400
SWITCHES = {
    "one head off": ("head:23.3:zero",),
    "ten heads off": tuple(f"head:{layer}.1:zero" for layer in range(0, 30, 3)),
    "a layer off": ("layer:12:zero",),
    "a head patched from the other prompt": ("head:23.3:patch",),
}


def main() -> None:
    backend, engine = HFCausalBackend.load(MODEL), LocalEngine()
    batch = backend.batch([backend.tokenize(TEXT)])

    def bare() -> None:
        with torch.no_grad():
            backend.forward(batch, Capture(last_logits_only=True))

    def switch(codes: tuple[str, ...]) -> Callable[[], Any]:
        source = SOURCE if any(code.endswith("patch") for code in codes) else None
        made = tuple(map(Intervention.parse, codes))
        request = InterventionRequest(MODEL, TEXT, TARGET, FOIL, source, made)
        return lambda: json.dumps(before_and_after(engine.intervene(request)))

    try:
        found = interleaved(
            {"bare forward": bare, **{name: switch(codes) for name, codes in SWITCHES.items()}}, REPEATS, warmup=2
        )
    finally:
        engine.close()
    times = {name: summary(seconds) for name, seconds in found.items()}
    ratios = {name: ratio(found[name], found["bare forward"]) for name in SWITCHES}
    write_result("interventions", {
        "model": MODEL, "tokens": int(batch.lengths[0]), "goal_ms": GOAL_MS, "seconds": times,
        "ratio_to_bare_forward": ratios,
    })  # fmt: skip


if __name__ == "__main__":
    main()
