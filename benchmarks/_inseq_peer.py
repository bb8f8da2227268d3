"""Runs inside inseq's own environment: times integrated gradients of one next token whenever a line comes in.

Lines in: an internal batch size, or `all`. Lines out: seconds.
"""

from __future__ import annotations

import sys
import time

import inseq


def main() -> None:
    folder, prompt, target, n_steps = sys.argv[1:5]
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the library prints is not an answer
    model = inseq.load_model(folder, "integrated_gradients")
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        model.attribute(
            prompt,
            prompt + target,
            n_steps=int(n_steps),
            internal_batch_size=None if line.strip() == "all" else int(line),
            show_progress=False,
        )
        print(time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
