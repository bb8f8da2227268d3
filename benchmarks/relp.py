"""How well RelP, and attribution patching with gradients, foretell real patching of every head and MLP.

On the demo's counterfactual pairs, embedded model, target minus foil: each component's activation of the partner put
into the prompt, in one pass each, against the estimates from one backward pass. Pearson's correlation over heads and
over MLPs: of each prompt (mean), of all prompts' components together, and of every component's mean over a set's
prompts (as papers average over prompts before they correlate). `PROMPTS=8` in the environment: how many of each set.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import torch

from benchmarks.harness import write_result
from headscope.analysis.attribution.patching import PatchedPair, counterparts
from headscope.analysis.attribution.relp import LRP, estimated
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.relp import pearson
from headscope.analysis.types import Prompt, with_partners
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets

MODEL = "smollm2-135m-instruct"
SETS = ("subject_verb_agreement", "indirect_object", "occupation_gender", "negation")
PROMPTS = int(os.environ.get("PROMPTS", "8"))
RULES = {"relp": LRP, "attention as CP-LRP": "cp_lrp", "attention as AttnLRP": "attn_lrp", "gradient": None}


def effects(backend: HFCausalBackend, prompt: Prompt) -> dict[str, np.ndarray]:
    """`patching` and each estimate, float `[layer, component]`."""
    own, partner = backend.tokenize(prompt.text), backend.tokenize(prompt.counterfactual or "")
    logprobs = Workspace(backend, [own], Capture()).next_logprobs[0]
    target = backend.resolve_target(own, prompt.target, prompt.foil, logprobs)
    places = counterparts(partner, own)
    with torch.no_grad():
        pair = PatchedPair(backend, partner, own, places)
        found = {"patching": pair.components(target) - float(pair.values(target)[1])}
    return found | {name: estimated(backend, own, partner, places, target, rule)[0] for name, rule in RULES.items()}


def correlations(rows: dict[str, np.ndarray], name: str) -> dict[str, float | None]:
    """Of estimate `name` with patching; rows `[prompt, layer, component]`."""
    found: dict[str, float | None] = {}
    for part, chosen in (("heads", np.s_[..., :-1]), ("mlps", np.s_[..., -1])):
        one, other = rows[name][chosen], rows["patching"][chosen]
        each = [r for a, b in zip(one, other, strict=True) if (r := pearson(a, b)) is not None]
        found |= {f"{part}_per_prompt": float(np.mean(each)), f"{part}_together": pearson(one, other)}
        found[f"{part}_of_means"] = pearson(one.mean(0), other.mean(0))
    return found


def main() -> None:
    started = time.perf_counter()
    backend = HFCausalBackend.load(MODEL)
    result: dict[str, Any] = {"model": MODEL, "prompts_per_set": PROMPTS, "goal": 0.95}
    everything: dict[str, list[np.ndarray]] = {}
    for name in SETS:
        pairs = [p for p in with_partners(prompt_sets.load(name).prompts) if p.counterfactual is not None]
        chosen = pairs[:: max(1, len(pairs) // PROMPTS)][:PROMPTS]
        found = [effects(backend, prompt) for prompt in chosen]
        rows = {key: np.stack([one[key] for one in found]) for key in found[0]}
        result[name] = {"n": len(chosen), **{rule: correlations(rows, rule) for rule in RULES}}
        for key, values in rows.items():
            everything.setdefault(key, []).append(values)
        print(name, result[name], flush=True)
    together = {key: np.concatenate(values) for key, values in everything.items()}
    result["all"] = {rule: correlations(together, rule) for rule in RULES}
    result["seconds"] = time.perf_counter() - started
    print("all", result["all"])
    write_result("relp", result)


if __name__ == "__main__":
    main()
