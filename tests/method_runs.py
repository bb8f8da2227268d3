"""Runs of several methods that agree more or less, with receipts: the Methods page's test data, made with numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headscope.analysis.types import Attribution, RunResult
from headscope.analysis.types.receipts import Verdict
from headscope.storage.repository import Store
from tests.factories import NAN, make_attribution, make_info, make_prompt, make_receipt, make_result, make_set

WORDS = ("The", "doctor", "told", "her", "old", "friend", "that", "Paris", "is", "the", "capital", "of", "France")
NOISE = {"input_x_gradient": 0.9, "attn_lrp": 0.25, "cp_lrp": 0.3, "integrated_gradients": 0.5, "saliency": 1.5}
GAINS = {"input_x_gradient": 0.2, "attn_lrp": 1.1, "cp_lrp": 0.9, "integrated_gradients": 0.6, "saliency": 0.0}
LEVEL = 0.4  # a gain that the receipts call better than random


def texts(count: int) -> list[str]:
    """Texts of nine to thirteen words, all different."""
    return [" ".join((*WORDS[: 8 + i % 5], f"case{i}")) for i in range(count)]


def attributions(n: int, rng: np.random.Generator, *, receipts: bool) -> tuple[Attribution, ...]:
    """One latent importance, seen through each method's noise; heads without tokens; a method that sometimes fails."""
    latent = rng.standard_normal(n) * rng.gamma(1.0, 1.0, n)
    found = []
    for index, (method, noise) in enumerate(NOISE.items()):
        scores = latent + noise * rng.standard_normal(n)
        signed = method != "saliency"
        if method == "integrated_gradients":
            scores[0] = NAN
            if rng.random() < 0.2:
                found.append(make_attribution(method, np.empty(0), error="the path does not converge in 400 steps"))
                continue
        item = make_attribution(method, scores if signed else np.abs(scores), signed=signed, delta=NAN)
        gain = GAINS[method] + 0.4 * float(rng.standard_normal())
        error = NAN if method == "saliency" else float(rng.gamma(1.0, 0.02))
        receipt = (
            make_receipt(gain, error=error, sensitivity=0.1 + 0.1 * index, masking="mean embedding")
            if receipts
            else None
        )
        found.append(replace(item, receipt=receipt, seconds=0.05 * (index + 1), peak_bytes=(index + 1) * 30 * 2**20))
    heads = make_attribution("head_ablation", rng.standard_normal((4, 3)))
    return (*found, replace(heads, axes=("layer", "head"), seconds=1.5))


def results(count: int, *, receipts: bool = True, seed: int = 0) -> list[RunResult]:
    """`count` prompts; the first receipt of the last one is not measured."""
    made = []
    for index, text in enumerate(texts(count)):
        result = make_result(make_prompt(f"p{index}", text, pair_id=None), seed=seed + index)
        rng = np.random.default_rng(1000 * seed + index)
        made.append(replace(result, attributions=attributions(len(result.trace.tokens), rng, receipts=receipts)))
    if receipts:
        first, *rest = made[-1].attributions
        nothing = make_receipt(
            NAN, verdict=Verdict.UNMEASURED, random_gain=NAN, reason="only one token could be removed"
        )
        made[-1] = replace(made[-1], attributions=(replace(first, receipt=nothing), *rest))
    return made


def save(
    store: Store,
    experiment: str,
    made: list[RunResult],
    *,
    model: str = "tiny",
    name: str = "facts",
    dtype: str = "float32",
) -> list[str]:
    """Store results as a job of `experiment`; the runs' ids."""
    job = store.start_job(experiment=experiment, model=model, spec={}, total=len(made))
    prompts = make_set(*(result.prompt for result in made), name=name)
    info = make_info(model)
    info = replace(info, ref=replace(info.ref, dtype=dtype))
    return list(store.save(job, info, prompts, ["receipts"], 0, made).run_ids)


def fill(store: Store) -> None:
    """`compared`: two prompt sets and two models with receipts; `bare`: none; `few`: three prompts."""
    save(store, "compared", results(24))
    save(store, "compared", results(14, seed=50), name="stories")
    save(store, "compared", results(24, seed=100), model="other")
    save(store, "bare", results(8, receipts=False, seed=200))
    save(store, "few", results(3, seed=300))
    nothing = [replace(result, attributions=()) for result in results(2, seed=400)]
    save(store, "silent", nothing)
