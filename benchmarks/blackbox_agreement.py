"""Does looking from outside find what looking inside finds? Perturbation through an API against exact Shapley values.

llama.cpp serves the embedded model's own weights over HTTP. 50 prompts of `factual_recall` are studied through that
API; the same prompts get exact Shapley values of their words inside our own runtime. One game on both sides: words are
deleted, the first one is always there (inside the first token always is, so that outside the first word has to be), the
value is the log-probability of the same token. Compared: how many of the three words that matter most are the same. A
random order and one-by-one removal are the baselines.

In the environment `PERMUTATIONS=16` chooses how many orders at most, `CANDIDATES=50000` how many of the likeliest
tokens the API tells (more than there are: all), `EARLY=0` asks all orders, `ANSWERS=FOLDER` keeps answers to go on
from.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import write_result
from headscope.analysis.attribution.coalitions import all_coalitions, shapley
from headscope.analysis.attribution.masking import Masking, masked_values
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.budget import Budget
from headscope.analysis.blackbox.client import Client, Endpoint
from headscope.analysis.blackbox.game import Game
from headscope.analysis.blackbox.settings import Settings, question
from headscope.analysis.interfaces import Capture
from headscope.analysis.statistics.intervals import bootstrap_means, wilson
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets
from tests.llama_server import embedded_gguf, llama_server

MODEL = "smollm2-135m-instruct"
PROMPTS, MOST_WORDS, FEWEST_WORDS, TOP = 50, 11, 5, 3
PERMUTATIONS = int(os.environ.get("PERMUTATIONS", "16"))
CANDIDATES = int(os.environ.get("CANDIDATES", "20"))
SETTINGS = Settings(
    "word",
    permutations=PERMUTATIONS,
    early=os.environ.get("EARLY") != "0",
    max_tokens=1,
    forced=os.environ.get("FORCED") != "0",
)
Float64 = NDArray[np.float64]


def inside(backend: HFCausalBackend, text: str, target: str) -> Float64:
    """Values of all coalitions `[2^n]` of the n words but the first, by our own forward passes."""
    work = Workspace(backend, [backend.tokenize(text)], Capture())
    chosen = backend.resolve_target(work.texts[0], target, None, work.next_logprobs[0])
    words = np.array([work.texts[0].words == word for word in range(1, len(text.split()))], dtype=np.float64)
    keep = list((~all_coalitions(len(words))).astype(np.float64) @ words == 0)
    return masked_values(work, [chosen], [0] * len(keep), keep, Masking("delete"))


def outside(client: Client, text: str, target: str) -> tuple[Float64, Game]:
    """Importance of all words but the first, by questions to the API."""
    parts = units.spans(text, "word")
    (answer,) = client.ask([question(text, SETTINGS, target)])
    game = Game(client, text, answer, target, SETTINGS)
    scores, _ = game.play(parts, np.arange(len(parts)) > 0)
    return next(one for one in scores if one.measure == "logprob").importance.score, game


def one_by_one(values: Float64) -> Float64:
    """What removing each word alone costs."""
    n = int(np.log2(len(values)))
    return np.array([values[-1] - values[-1 - (1 << word)] for word in range(n)])


def suits(text: str) -> bool:
    """Short enough for exact values, and no punctuation: our tokenizer makes it a word of its own."""
    words = text.split()
    return FEWEST_WORDS <= len(words) <= MOST_WORDS and all(word.isalnum() for word in words)


def top(scores: Float64) -> set[int]:
    return set(np.argsort(-np.abs(scores))[:TOP].tolist())


def agreement(name: str, found: list[Float64], truth: list[Float64]) -> dict[str, Any]:
    """How many of the three words that matter most are the same."""
    same = np.array([len(top(one) & top(other)) for one, other in zip(found, truth, strict=True)])
    mean, n = bootstrap_means(same / TOP), len(same)
    all_three, two = int((same == TOP).sum()), int((same >= 2).sum())
    return {
        f"{name}_overlap": [float(mean.mean), float(mean.low), float(mean.high)],
        f"{name}_all_three": [all_three / n, *wilson(all_three, n)],
        f"{name}_two_of_three": [two / n, *wilson(two, n)],
    }


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    found = [prompt for prompt in prompt_sets.load("factual_recall").prompts if suits(prompt.text) and prompt.target]
    prompts = [(prompt.text, str(prompt.target)) for prompt in found][:PROMPTS]
    games = [inside(backend, *prompt) for prompt in prompts]
    truth = [shapley(values) for values in games]
    port = int(os.environ.get("PORT", "0"))
    with llama_server(embedded_gguf(), port=port) as url, tempfile.TemporaryDirectory() as folder:
        client = Client(Endpoint(url, MODEL, candidates=CANDIDATES), Budget(), Path(os.environ.get("ANSWERS", folder)))
        studies = [outside(client, *prompt) for prompt in prompts]
    n, asked = len(prompts), sum(game.coalitions for _, game in studies)
    calls = asked + sum(game.forced for _, game in studies)
    scores, sizes = [one for one, _ in studies], np.array([len(one) for one in truth])
    result = {
        "prompts": n,
        "most_permutations": PERMUTATIONS,
        "candidates": CANDIDATES,
        "calls_per_prompt": calls / n,
        "of_these_with_the_target_forced": (calls - asked) / n,
        "calls_saved_early_per_prompt": sum(game.saved for _, game in studies) / n,
        "calls_of_all_coalitions_per_prompt": float(np.mean(2.0**sizes)),
        "calls_one_by_one_per_prompt": float(np.mean(sizes + 1)),
        "calls_saved_against_one_by_one_per_prompt": float(np.mean(sizes + 1)) - calls / n,
        "correlation_of_all_scores": float(
            np.mean([np.corrcoef(*both)[0, 1] for both in zip(scores, truth, strict=True)])
        ),
        **agreement("outside", scores, truth),
        **agreement("one_by_one_inside", [one_by_one(values) for values in games], truth),
        "same_by_chance": float(np.mean(np.minimum(1.0, TOP / sizes))),
        "changed_prompts_only_bounded": sum(game.censored for _, game in studies) / asked,
    }
    for name, value in result.items():
        print(f"{name}: {value}")
    write_result("blackbox_agreement", result)


if __name__ == "__main__":
    main()
