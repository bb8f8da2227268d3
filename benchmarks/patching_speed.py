"""Patching of every layer and position: ours, which runs the later layers of many cells at once, against
TransformerLens' loop, which runs the whole model once a cell. Same weights, prompts, quantity; the values must agree.

`REPEATS=3` in the environment: how often each is timed, in turn.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.harness import interleaved, write_result
from benchmarks.peers import lens_peer
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.models import sources
from headscope.analysis.running.patching import analyse_patch
from headscope.analysis.types.patching import PatchRequest

MODEL = "smollm2-135m-instruct"
CLEAN = "When Anna and Peter went to the shop, Peter gave a drink to"
CORRUPTED = "When Peter and Anna went to the shop, Anna gave a drink to"
TARGET, FOIL = " Anna", " Peter"
REPEATS = int(os.environ.get("REPEATS", "3"))


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    request = PatchRequest(MODEL, CLEAN, CORRUPTED, TARGET, FOIL)
    ours = analyse_patch(backend, request)
    folder = str(sources.resolve(MODEL).path)
    peer = lens_peer(folder, CLEAN, CORRUPTED, ours.target.token_id, ours.target.foil_id)
    if peer is None:
        return
    theirs = np.array(peer.patched()["patched"])
    apart = float(np.abs(theirs - ours.patched).max())
    answers: list[dict[str, Any]] = []
    seconds = interleaved(
        {"ours": lambda: analyse_patch(backend, request), "peer": lambda: answers.append(peer.patched())}, REPEATS, 0
    )
    peer.close()
    own, loop = float(np.median(seconds["ours"])), float(np.median([one["seconds"] for one in answers]))
    result = {
        "model": MODEL, "cells": int(ours.patched.size), "tokens": len(ours.clean), "largest_difference": apart,
        "ours_seconds": own, "transformer_lens_seconds": loop, "times_faster": loop / own, "goal": 3.0,
    }  # fmt: skip
    print(result)
    write_result("patching_speed", result)


if __name__ == "__main__":
    main()
