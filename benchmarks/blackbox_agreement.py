"""Does looking from outside find what looking inside finds? Perturbation through an API against exact Shapley values.

llama.cpp serves the embedded model's own weights over HTTP. 50 prompts of `factual_recall` are studied through that
API; the same prompts get exact Shapley values of their words inside our own runtime (words deleted, the explained
quantity is the log-probability of the same target). Compared over the words that both score (ours never takes out the
first): how many of the three words that matter most are the same. A random order is the baseline.
`PERMUTATIONS=8` in the environment chooses how many orders the API is asked about.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.blackbox.budget import Budget
from headscope.analysis.blackbox.client import Client, Endpoint
from headscope.analysis.blackbox.study import Settings, study
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.shapley_exact import ShapleyExact
from headscope.analysis.statistics.intervals import bootstrap_means, wilson
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets
from tests.llama_server import llama_server

MODEL = "smollm2-135m-instruct"
PROMPTS, MOST_WORDS, FEWEST_WORDS, TOP = 50, 11, 5, 3
PERMUTATIONS = int(os.environ.get("PERMUTATIONS", "8"))
CANDIDATES = int(os.environ.get("CANDIDATES", "20"))
Float64 = NDArray[np.float64]


def inside(backend: HFCausalBackend, text: str, target: str) -> Float64:
    """Exact Shapley values of all words but the first, by our own forward passes."""
    work = Workspace(backend, [backend.tokenize(text)], Capture())
    chosen = backend.resolve_target(work.texts[0], target, None, work.next_logprobs[0])
    (found,) = ShapleyExact().attribute(work, [chosen], {"unit": "word", "masking": "delete"})
    assert found.error is None, found.error
    words = work.texts[0].words
    return np.array([found.scores[words == word].sum() for word in range(1, int(words.max()) + 1)], dtype=np.float64)


def suits(text: str) -> bool:
    """Short enough for exact values, and no punctuation: our tokenizer makes it a word of its own."""
    words = text.split()
    return FEWEST_WORDS <= len(words) <= MOST_WORDS and all(word.isalnum() for word in words)


def top(scores: Float64) -> set[int]:
    return set(np.argsort(-np.abs(scores))[:TOP].tolist())


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    prompts = [prompt for prompt in prompt_sets.load("factual_recall").prompts if suits(prompt.text)]
    overlaps: list[int] = []
    with llama_server(2) as url, tempfile.TemporaryDirectory() as folder:
        client = Client(Endpoint(url, MODEL, candidates=CANDIDATES), Budget(), Path(folder))
        settings = Settings(unit="word", permutations=PERMUTATIONS, edits=False, samples=0, max_tokens=1)
        started = time.perf_counter()
        studies = [study(client, prompt.text, prompt.target, settings) for prompt in prompts[:PROMPTS]]
        outside_seconds = time.perf_counter() - started
        started = time.perf_counter()
        for prompt, found in zip(prompts, studies, strict=False):
            truth = inside(backend, prompt.text, prompt.target or found.target)
            scores = next(one for one in found.scores if one.measure == "logprob").importance.score[1:]
            assert len(scores) == len(truth), (prompt.text, len(scores), len(truth))
            overlaps.append(len(top(scores) & top(truth)))
        inside_seconds = time.perf_counter() - started
    counts = np.array(overlaps, dtype=np.float64)
    sizes = [len(prompt.text.split()) - 1 for prompt in prompts[:PROMPTS]]
    mean = bootstrap_means(counts / TOP)
    agree = int((counts >= 2).sum())
    result = {
        "prompts": len(counts),
        "permutations": PERMUTATIONS,
        "calls_per_prompt": client.calls / len(counts),
        "mean_overlap_of_top_3": [float(mean.mean), float(mean.low), float(mean.high)],
        "same_by_chance": float(np.mean([min(1.0, TOP / size) for size in sizes])),
        "prompts_with_two_of_three": [agree / len(counts), *wilson(agree, len(counts))],
        "prompts_with_all_three": float((counts == TOP).mean()),
        "changed_prompts_only_bounded": sum(found.censored for found in studies),
        "seconds_outside": outside_seconds,
        "seconds_inside": inside_seconds,
    }
    for name, value in result.items():
        print(f"{name}: {value}")
    write_result("blackbox_agreement", result)


if __name__ == "__main__":
    main()
