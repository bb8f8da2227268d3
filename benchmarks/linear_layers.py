"""Linear layers by oneDNN against PyTorch's own way (MKL): products alone, and a model forward and backward.

    python -m benchmarks.linear_layers

In one run, on the same weights, in turn. GFLOP/s are of one layer (576 to 1,536 numbers, 1,024 rows). Where the
processor gains nothing (`used` is false) the product leaves its layers alone; the ratios are printed all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.analysis_cost import MODEL, SENTENCE, cut
from benchmarks.harness import interleaved, ratio, write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.models import products
from headscope.analysis.types import TokenizedText

ROWS, INSIDE, OUTSIDE = 1024, 576, 1536
TOKENS, TEXTS, REPEATS = 32, 8, 10


def passes(backend: HFCausalBackend) -> dict[str, Callable[[], Any]]:
    """A forward pass of one token, of one text and of several, and one forward and back."""
    text = backend.tokenize(cut(backend, SENTENCE, TOKENS))

    def forward(n: int, first: TokenizedText = text) -> None:
        with torch.no_grad():
            backend.forward(backend.batch([first] * n), Capture(last_logits_only=True))

    one = backend.tokenize("The")

    def back() -> None:
        batch = backend.batch([text] * 4)
        start = backend.embed(batch).requires_grad_()
        logits = backend.forward(batch, Capture(gradients=True), embeddings=start).logits
        torch.autograd.grad(logits[:, -1].max(-1).values.sum(), start)

    return {
        f"{len(one)} token": lambda: forward(1, one),
        "one text": lambda: forward(1),
        f"{TEXTS} texts": lambda: forward(TEXTS),
        "4 texts and back": back,
    }


def main() -> None:
    rows, layer = torch.randn(ROWS, INSIDE), nn.Linear(INSIDE, OUTSIDE, bias=False).requires_grad_(False)
    product = {
        "mkl": lambda: nn.functional.linear(rows, layer.weight),
        "onednn": lambda: products._product(rows, layer.weight, None),
    }
    single = interleaved(product, repeats=50, warmup=5)
    backend = HFCausalBackend.load(MODEL)
    found: dict[str, Any] = {}
    for name, call in passes(backend).items():
        seconds = interleaved({"onednn": call, "mkl": lambda call=call: plainly(call)}, repeats=REPEATS, warmup=2)
        found[name] = {
            "speedup": ratio(seconds["mkl"], seconds["onednn"]),
            "ms": round(min(seconds["onednn"]) * 1e3, 1),
        }
    done = 2 * ROWS * INSIDE * OUTSIDE / 1e9
    write_result(
        "linear_layers",
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "tokens": TOKENS,
            "used": products.faster_here(),
            "gflop_per_s": {name: round(done / min(seconds), 0) for name, seconds in single.items()},
            "passes": found,
        },
    )


def plainly(call: Callable[[], Any]) -> None:
    """The same pass with every layer multiplied by MKL."""
    with patch.object(products, "_fits", lambda layer: False):
        call()


if __name__ == "__main__":
    main()
