"""What the analyses of one prompt cost beside one bare forward and backward pass, and what batching gains.

Targets: trace, head and layer summaries, saliency and gradient x input of 32 tokens within 2.0x of the bare passes; 16
prompts a batch at least 2x the prompts per second of one.
"""

from __future__ import annotations

import torch

from benchmarks.harness import interleaved, ratio, summary, write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.running.runner import run_batch
from headscope.analysis.running.typed import analyse_live
from headscope.analysis.types import Prompt, RunSpec
from headscope.analysis.types.live import LiveRequest

MODEL = "smollm2-135m-instruct"
SENTENCE = (
    "The old lighthouse keeper climbed the narrow stairs every evening, lit the great lamp, and watched the ships that "
    "passed the rocks far below until the fog came in and hid them all"
)
OPENINGS = (
    "The teacher gave the book to the",
    "In winter the lake is covered with",
    "My sister plays the",
    "The opposite of hot is",
    "The keys on the table",
    "After the storm the boats",
    "He opened the door and saw",
    "The capital of Italy is",
    "A spider has eight",
    "We drank tea and ate",
    "The train to the city leaves at",
    "She wrote a letter to her",
    "The bird built a nest in the",
    "Bread is made from",
    "The moon goes around the",
    "They sang a song about the",
)
ANALYSES = ("heads", "layers", "saliency", "input_x_gradient")


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    text = cut(backend, SENTENCE, 32)
    ids = torch.from_numpy(backend.tokenize(text).ids).long()[None]
    spec = RunSpec(backend.info.ref, (), ANALYSES)
    prompts = [Prompt(str(index), opening) for index, opening in enumerate(OPENINGS)]
    cost = interleaved(
        {
            "bare": lambda: bare(backend, ids),
            "analysed": lambda: run_batch(backend, spec, [Prompt("p", text)]),
        },
        repeats=9,
    )
    batching = interleaved(
        {
            "one by one": lambda: [run_batch(backend, spec, [prompt]) for prompt in prompts],
            "batch of 16": lambda: run_batch(backend, spec, prompts),
        },
        repeats=4,
    )
    short = cut(backend, SENTENCE, 16)
    live = interleaved({"live": lambda: analyse_live(backend, LiveRequest(MODEL, short))}, repeats=9)
    write_result(
        "analysis_cost",
        {
            "model": MODEL,
            "threads": torch.get_num_threads(),
            "analyses": ["trace", *ANALYSES],
            "tokens": len(ids[0]),
            "cost": {name: summary(seconds) for name, seconds in cost.items()},
            "analysed_over_bare": {"value": ratio(cost["analysed"], cost["bare"]), "target": "<= 2.0"},
            "batching": {name: summary(seconds) for name, seconds in batching.items()},
            "batch_16_speedup": {"value": ratio(batching["one by one"], batching["batch of 16"]), "target": ">= 2.0"},
            "live_16_tokens": summary(live["live"]),
        },
    )


def bare(backend: HFCausalBackend, ids: torch.Tensor) -> None:
    """One forward and backward pass to the embeddings as a user of transformers would write it, SDPA attention."""
    if backend.model.config._attn_implementation != "sdpa":  # type: ignore[union-attr]
        backend.model.set_attn_implementation("sdpa")  # type: ignore[operator]
    embeddings = backend.model.get_input_embeddings()(ids).detach().requires_grad_()  # type: ignore[operator]
    logits = backend.model(inputs_embeds=embeddings, use_cache=False).logits[0, -1]
    torch.autograd.grad(torch.log_softmax(logits, -1).max(), embeddings)


def cut(backend: HFCausalBackend, text: str, n_tokens: int) -> str:
    """The first `n_tokens` tokens of `text`."""
    tokens = backend.tokenize(text)
    return text[: int(tokens.char_spans[min(n_tokens, len(tokens)) - 1, 1])]


if __name__ == "__main__":
    main()
