"""Runs inside inseq's own environment: times an attribution whenever a line comes in.

Arguments: model folder, prompt, text to explain, step count. Lines in: a method's name and an internal batch size, or
`all`. Lines out: seconds.
"""

from __future__ import annotations

import sys
import time

import inseq


def main() -> None:
    folder, prompt, target, n_steps = sys.argv[1:5]
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the library prints is not an answer
    models = {}
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        method, size = line.split()
        if method not in models:  # a model of its own for each method: some leave hooks behind
            models[method] = inseq.load_model(folder, method)
        steps = {"n_steps": int(n_steps)} if method == "integrated_gradients" else {}
        batch = {"internal_batch_size": None if size == "all" else int(size)} if steps else {}
        started = time.perf_counter()
        models[method].attribute(prompt, prompt + target, show_progress=False, **steps, **batch)
        print(time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
