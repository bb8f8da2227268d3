"""How much better than a random order, and than "last word first", do attributions order the words of a prompt?

The removal test of receipts (docs/methods/receipts.md) on demo prompts with a target and a foil: gain in nats of target
minus foil, words replaced by a line break as in the published measure, and deleted. All orders are evaluated, so that
the random order is its exact expectation. Two choices of 44 prompts: the first that fit, and 44 spread over all sets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.harness import write_result
from headscope.analysis.attribution.lattice import chosen_units
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture
from headscope.analysis.registry.entry import LATTICE_UNITS
from headscope.analysis.running.runner import planned, run_batch
from headscope.analysis.types import Params, Prompt, RunSpec
from headscope.analysis.types.receipts import Receipt, Verdict
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets

MODEL = "smollm2-135m-instruct"
PROMPTS, BATCH, RESAMPLES = 44, 16, 10_000
FEWEST, MOST = 4, LATTICE_UNITS
MASKINGS = ("token", "delete")
METHODS = ("saliency", "input_x_gradient", "integrated_gradients", "occlusion", "shapley_exact")
PARAMS: Mapping[str, Params] = {
    "occlusion": {"unit": "word", "masking": "token"},
    "shapley_exact": {"unit": "word", "masking": "token"},
    "receipts": {"unit": "word", "masking": "both", "noise_draws": 0, "second_baseline": "none"},
}
PUBLISHED = {
    "saliency": "0.42 [-0.02, 0.87]",
    "input_x_gradient": "0.19 [-0.26, 0.68]",
    "integrated_gradients": "1.61 [1.17, 2.08]",
    "occlusion": "1.70 [1.23, 2.24]",
    "shapley_exact": "2.10",
}


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    fitting = [prompt for prompt in prompt_sets.load("demo").prompts if fits(backend, prompt)]
    spread = [fitting[i] for i in np.linspace(0, len(fitting) - 1, PROMPTS).round().astype(int)]
    choices = {"first": fitting[:PROMPTS], "spread": spread}
    every = tuple({prompt.id: prompt for chosen in choices.values() for prompt in chosen}.values())
    spec = RunSpec(backend.info.ref, every, ("receipts", *METHODS), params=dict(PARAMS))
    started = time.perf_counter()
    known: dict[str, dict[str, Receipt]] = {}
    for batch in planned(backend, spec, BATCH).batches:
        known |= measured(backend, spec, [every[index] for index in batch])
        print(f"{len(known)} of {len(every)} prompts, {time.perf_counter() - started:.0f} s", flush=True)
    write_result(
        "faithfulness",
        {
            "model": MODEL,
            "quantity": "target minus foil, nats",
            "unit": f"word, {FEWEST} to {MOST} that could be removed",
            "published_gain_over_random_token": PUBLISHED,
            "seconds_per_prompt": round((time.perf_counter() - started) / len(known), 2),
            **{name: board([known[prompt.id] for prompt in chosen], chosen) for name, chosen in choices.items()},
        },
    )


def fits(backend: HFCausalBackend, prompt: Prompt, fewest: int = FEWEST, most: int = MOST) -> bool:
    """Whether the prompt has a target, another foil and so few words that all their orders can be evaluated."""
    if prompt.invalid or not prompt.target or not prompt.foil or not prompt.text.strip():
        return False
    text = backend.tokenize(prompt.text)
    try:
        backend.resolve_target(text, prompt.target, prompt.foil, torch.zeros(backend.info.vocab_size))
    except InputError:  # they begin with the same token
        return False
    _, units = chosen_units(Workspace(backend, [text], Capture()), 0, "word")
    return fewest <= len(units) <= most


def measured(backend: HFCausalBackend, spec: RunSpec, prompts: Sequence[Prompt]) -> dict[str, dict[str, Receipt]]:
    """By prompt the receipt of every method."""
    return {
        result.prompt.id: {one.method: one.receipt for one in result.attributions if one.receipt is not None}
        for result in run_batch(backend, spec, prompts)
    }


def board(receipts: Sequence[Mapping[str, Receipt]], prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Every method's gains over both orders, verdicts and agreement with exact Shapley values."""
    found: dict[str, Any] = {}
    for method in METHODS:
        mine = [of_prompt[method] for of_prompt in receipts if method in of_prompt]
        gains = {
            masking: np.array([(one.removal[k].gain, one.removal[k].recency_gain) for one in mine])
            for k, masking in enumerate(MASKINGS)
        }
        verdicts = [one.verdict for one in mine]
        found[method] = {
            "prompts": len(mine),
            **{f"gain_over_random_{masking}": interval(rows[:, 0]) for masking, rows in gains.items()},
            **{f"gain_over_recency_{masking}": interval(rows[:, 0] - rows[:, 1]) for masking, rows in gains.items()},
            "verdicts": {verdict.value: verdicts.count(verdict) for verdict in Verdict if verdict in verdicts},
            "shapley_top1": round(float(np.mean([one.shapley_top1 for one in mine])), 3),
            "shapley_tau": round(float(np.nanmean([one.shapley_tau for one in mine])), 3),
        }
    last = {
        masking: interval(np.array([next(iter(one.values())).removal[k].recency_gain for one in receipts]))
        for k, masking in enumerate(MASKINGS)
    }
    return {"methods": found, "recency_gain_over_random": last, "prompts": [prompt.id for prompt in prompts]}


def interval(gains: np.ndarray) -> str:
    """Mean with its 95 % bootstrap interval over prompts."""
    draws = np.random.default_rng(0).integers(len(gains), size=(RESAMPLES, len(gains)))
    low, high = np.quantile(gains[draws].mean(1), (0.025, 0.975))
    return f"{gains.mean():.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
