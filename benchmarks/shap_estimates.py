"""How far are SHAP's estimates from exact Shapley values, by evaluations: partition, permutation and kernel.

20 prompts of the set `demo`, spread over it, with at most ten words (six to nine of them can be removed), the
default masking. Every coalition is evaluated once, and all estimates read from those values. Permutation and kernel
draw at random: the mean over five seeds. An error is the mean over a prompt's words of |estimate - exact|, in nats.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.faithfulness import fits, interval
from benchmarks.harness import write_result
from headscope.analysis.attribution.lattice import compute_lattices
from headscope.analysis.attribution.masking import Masking, units_of
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.registry import METHODS
from headscope.analysis.types import Prompt, Target
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets

MODEL = "smollm2-135m-instruct"
PROMPTS, FEWEST, MOST = 20, 6, 9
EVALUATIONS = (50, 200, 500)
SEEDS: Mapping[str, int] = {"shap_partition": 1, "shap_permutation": 5, "shap_kernel": 5}
Key = tuple[str, int]


def main() -> None:
    backend = HFCausalBackend.load(MODEL)
    fitting = [prompt for prompt in prompt_sets.load("demo").prompts if fits(backend, prompt, FEWEST, MOST)]
    chosen = [fitting[i] for i in np.linspace(0, len(fitting) - 1, PROMPTS).round().astype(int)]
    asked = [(name, most) for name in SEEDS for most in EVALUATIONS]
    errors, steps, sizes = np.empty((2, len(asked), PROMPTS)), np.empty((len(asked), PROMPTS)), np.empty(PROMPTS)
    started = time.perf_counter()
    for column, prompt in enumerate(chosen):
        work, targets = evaluated(backend, prompt)
        exact, _ = scores(work, targets, "shapley_exact", {})
        sizes[column] = np.abs(exact).mean()
        for row, key in enumerate(asked):
            errors[:, row, column], steps[row, column] = error(work, targets, key, exact)
        print(f"{column + 1} of {PROMPTS} prompts, {time.perf_counter() - started:.0f} s", flush=True)
    write_result(
        "shap_estimates",
        {
            "model": MODEL,
            "quantity": "target minus foil, nats; mean |estimate - exact| over the words of a prompt, and the largest",
            "prompts": [prompt.id for prompt in chosen],
            "words": f"{FEWEST} to {MOST} that can be removed",
            "mean_exact_size": round(float(sizes.mean()), 3),
            "estimates": {
                f"{name}, {most}": {
                    "mean_error": interval(errors[0, row]),
                    "largest_error": interval(errors[1, row]),
                    "share_of_size": round(float(errors[0, row].mean() / sizes.mean()), 3),
                    "evaluated": round(float(steps[row].mean()), 1),
                }
                for row, (name, most) in enumerate(asked)
            },
        },
    )


def evaluated(backend: HFCausalBackend, prompt: Prompt) -> tuple[Workspace, list[Target]]:
    """The prompt with all its coalitions evaluated."""
    work = Workspace(backend, [backend.tokenize(prompt.text)], Capture())
    targets = [backend.resolve_target(work.texts[0], prompt.target, prompt.foil, work.next_logprobs[0])]
    compute_lattices(work, targets, "word", (Masking("mean"),), MOST)
    return work, targets


def error(work: Workspace, targets: list[Target], key: Key, exact: Float64) -> tuple[Any, float]:
    """The mean and the largest error of a word's score, and how many coalitions were evaluated; means over seeds."""
    name, most = key
    seeds = [{}] if SEEDS[name] == 1 else [{"seed": seed} for seed in range(SEEDS[name])]
    found = [scores(work, targets, name, {"max_evals": most, **seed}) for seed in seeds]
    off = np.array([np.abs(one - exact) for one, _ in found])
    return (off.mean(), off.max(1).mean()), float(np.mean([steps for _, steps in found]))


def scores(work: Workspace, targets: list[Target], name: str, params: Mapping[str, Any]) -> tuple[Float64, int]:
    """Scores of the words that can be removed, and the coalitions evaluated."""
    (found,) = METHODS[name].load()().attribute(work, targets, {"unit": "word", **params})
    assert found.error is None, found.error
    units = units_of(work.texts[0], int(work.positions[0]), "word")
    return np.array([found.scores[unit].sum() for unit in units], dtype=np.float64), found.outcome.steps or 0


if __name__ == "__main__":
    main()
