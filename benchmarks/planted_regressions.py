"""Does `headscope check` find a change of the weights, and name its layer? Twenty kinds of edits, each in some layers.

    python -m benchmarks.planted_regressions [--layers 3] [--prompts 64] [--nulls 200]

Every edit is made in the loaded model, its runs are stored as an experiment, and what `check` reads of the store is
held against the runs of the model as it was: whether any layer's states differ, which layer is named, and whether the
rules call it a regression. A null comparison takes the stored results of one edit and exchanges baseline and candidate
of each pair of prompts by chance: then neither is worse, and what is flagged is a false alarm. Reruns of the unchanged
model in other batch sizes say what rounding alone does to states. Targets: all edits found, the right layer in 90 %, at
most 5 % of the nulls flagged.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.analysis_cost import MODEL
from benchmarks.harness import write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.running.runner import run_batch
from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.statistics.regression import Observed, compare
from headscope.analysis.types import ModelRef, PromptSet, RunSpec, RunStatus
from headscope.datasets import prompt_sets
from headscope.jobs.detection import detect, experiment_runs
from headscope.jobs.parting import parted
from headscope.jobs.snapshot import observed
from headscope.storage.repository import Store

BASELINE = "baseline"
SET = "facts and agreement"
RULES = check_rules.parse("accuracy,target,surprisal,detectors")
SEED = 2026
Edit = Callable[[Any, torch.Generator], None]
"""Changes a layer of the Llama architecture in place."""


def rounded(weight: Tensor, bits: int) -> None:
    """Symmetric quantisation, one scale per output row."""
    top = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1, keepdim=True) / top
    weight.copy_((weight / scale).round().clamp(-top, top) * scale)


def noisy(weight: Tensor, share: float, generator: torch.Generator) -> None:
    """Gaussian noise of this share of the weights' standard deviation."""
    weight.add_(torch.randn(weight.shape, generator=generator) * weight.std() * share)


def head(layer: Any, index: int) -> slice:
    """The columns of the output projection that belong to a head."""
    width = layer.self_attn.head_dim
    return slice(index * width, (index + 1) * width)


def exchange_heads(layer: Any, generator: torch.Generator) -> None:
    """The outputs of two heads take each other's way."""
    weight, (one, other) = layer.self_attn.o_proj.weight, (head(layer, 0), head(layer, 1))
    kept = weight[:, one].clone()
    weight[:, one] = weight[:, other]
    weight[:, other] = kept


def prune(weight: Tensor, share: float) -> None:
    """The smallest weights become 0."""
    weight.mul_(weight.abs() > weight.abs().flatten().kthvalue(int(share * weight.numel())).values)


def low_rank(weight: Tensor, generator: torch.Generator) -> None:
    """An update of rank 2, a tenth as large as the weight."""
    update = torch.randn(weight.shape[0], 2, generator=generator) @ torch.randn(2, weight.shape[1], generator=generator)
    weight.add_(update * (0.1 * weight.norm() / update.norm()))


def each_linear(layer: Any, change: Callable[[Tensor], Any]) -> None:
    """All matrices of a layer."""
    for module in layer.modules():
        if isinstance(module, nn.Linear):
            change(module.weight)


def shuffle_neurons(layer: Any, generator: torch.Generator) -> None:
    """The neurons' outputs take each other's ways."""
    weight = layer.mlp.down_proj.weight
    weight.copy_(weight[:, torch.randperm(weight.shape[1], generator=generator)])


EDITS: dict[str, Edit] = {
    "a head zeroed": lambda layer, g: layer.self_attn.o_proj.weight[:, head(layer, 1)].zero_(),
    "two heads exchanged": exchange_heads,
    "queries zeroed": lambda layer, g: layer.self_attn.q_proj.weight.zero_(),
    "keys scaled by 0.8": lambda layer, g: layer.self_attn.k_proj.weight.mul_(0.8),
    "values zeroed": lambda layer, g: layer.self_attn.v_proj.weight.zero_(),
    "attention output scaled by 0.9": lambda layer, g: layer.self_attn.o_proj.weight.mul_(0.9),
    "attention output's sign turned": lambda layer, g: layer.self_attn.o_proj.weight.neg_(),
    "noise of 5 % in the attention output": lambda layer, g: noisy(layer.self_attn.o_proj.weight, 0.05, g),
    "update of rank 2 in the queries": lambda layer, g: low_rank(layer.self_attn.q_proj.weight, g),
    "MLP output zeroed": lambda layer, g: layer.mlp.down_proj.weight.zero_(),
    "MLP output scaled by 1.1": lambda layer, g: layer.mlp.down_proj.weight.mul_(1.1),
    "noise of 5 % in the MLP's gate": lambda layer, g: noisy(layer.mlp.gate_proj.weight, 0.05, g),
    "ten neurons zeroed": lambda layer, g: layer.mlp.down_proj.weight[:, :10].zero_(),
    "neurons shuffled": shuffle_neurons,
    "half of the MLP's weights pruned": lambda layer, g: prune(layer.mlp.up_proj.weight, 0.5),
    "layer in 8 bits": lambda layer, g: each_linear(layer, lambda weight: rounded(weight, 8)),
    "layer in 4 bits": lambda layer, g: each_linear(layer, lambda weight: rounded(weight, 4)),
    "layer in bfloat16": lambda layer, g: each_linear(layer, lambda weight: weight.copy_(weight.bfloat16())),
    "norm before the attention scaled by 0.9": lambda layer, g: layer.input_layernorm.weight.mul_(0.9),
    "norm before the MLP scaled by 1.1": lambda layer, g: layer.post_attention_layernorm.weight.mul_(1.1),
}


@contextmanager
def edited(layer: Any, edit: Edit, seed: int = SEED) -> Iterator[None]:
    """The edit holds inside; afterwards the weights are what they were."""
    kept = {name: value.detach().clone() for name, value in layer.state_dict().items()}
    try:
        with torch.no_grad():
            edit(layer, torch.Generator().manual_seed(seed))
        yield
    finally:
        layer.load_state_dict(kept)


def prompts(n: int) -> PromptSet:
    """Half facts, half agreement, in one set."""
    facts, agreement = (prompt_sets.load(name).prompts for name in ("factual_recall", "subject_verb_agreement"))
    chosen = (*facts[: n // 2], *agreement[: n - n // 2])
    return PromptSet(SET, "1", "CC0-1.0", "", str(n), chosen)


def stored(
    store: Store, backend: HFCausalBackend, asked: PromptSet, experiment: str, batch: int = 16
) -> list[Observed]:
    """Runs the prompts, keeps them as an experiment, and reads them as `check` does."""
    info = replace(backend.info, ref=replace(backend.info.ref, weights_sha256=experiment))
    spec = RunSpec(ModelRef(info.ref.name), asked.prompts, ("layers",))
    results = []
    for at in range(0, len(asked.prompts), batch):
        results += run_batch(backend, spec, asked.prompts[at : at + batch])
    results = [replace(found, result_key=f"{experiment} {i}") for i, found in enumerate(results)]
    job = store.start_job(experiment=experiment, model=info.ref.name, spec={}, total=len(results))
    store.save(job, info, asked, ["layers"], 0, results)
    detect(store, experiment_runs(experiment))
    store.finish_job(job, RunStatus.SUCCEEDED)
    return observed(store, experiment)


def null(baseline: Sequence[Observed], candidate: Sequence[Observed], draw: random.Random) -> list[str]:
    """What the rules flag when each pair's baseline and candidate are exchanged by chance."""
    after = {run.key: run for run in candidate}
    turned = {run.pair_id or run.key: draw.random() < 0.5 for run in baseline}
    sides: tuple[list[Observed], list[Observed]] = ([], [])
    for run in baseline:
        both = (run, after[run.key])
        for side, member in zip(sides, both[::-1] if turned[run.pair_id or run.key] else both, strict=True):
            side.append(member)
    return check_rules.broken(RULES, compare(*sides))


def share(found: int, n: int) -> dict[str, Any]:
    """A count with its interval."""
    return {
        "found": found,
        "n": n,
        "share": round(found / n, 4),
        "interval": [round(end, 4) for end in wilson(found, n)],
    }


def places(n_layers: int, count: int, draw: random.Random) -> list[int]:
    """`count` different layers, one drawn from each part of the model."""
    cuts = [round(i * n_layers / count) for i in range(count + 1)]
    return [draw.randrange(low, high) for low, high in pairwise(cuts)]


def measure(store: Store, backend: HFCausalBackend, asked: PromptSet, n_places: int, nulls: int) -> dict[str, Any]:
    """Everything the benchmark reports."""
    draw = random.Random(SEED)
    baseline = stored(store, backend, asked, BASELINE)
    reruns = {batch: stored(store, backend, asked, f"batches of {batch}", batch) for batch in (1, 7, 32)}
    told = {b: parted(store, baseline, runs, (BASELINE, f"batches of {b}")) for b, runs in reruns.items()}
    rows, candidates = [], []
    for kind, edit in EDITS.items():
        for layer in places(backend.info.n_layers, n_places, draw):
            name = f"{kind}, layer {layer}"
            with edited(backend.structure.layers[layer], edit):
                runs = stored(store, backend, asked, name)
            apart, found = parted(store, baseline, runs, (BASELINE, name)), compare(baseline, runs)
            broken = check_rules.broken(RULES, found)
            rows.append({"kind": kind, "layer": layer, "named": apart.layer, "part": apart.part,
                         "prompts": apart.differing, "regression": bool(broken),
                         "flips": len(found.broken)})  # fmt: skip
            candidates.append(runs)
            print(rows[-1], flush=True)
    alarms = [bool(null(baseline, candidates[i % len(candidates)], draw)) for i in range(nulls)]
    kinds = Counter(row["kind"] for row in rows if row["named"] is not None)
    return {
        "kinds_found_everywhere": share(sum(count == n_places for count in kinds.values()), len(EDITS)),
        "edits_found": share(sum(row["named"] is not None for row in rows), len(rows)),
        "right_layer": share(sum(row["named"] == row["layer"] for row in rows), len(rows)),
        "called_a_regression": share(sum(row["regression"] for row in rows), len(rows)),
        "null_comparisons_flagged": share(sum(alarms), len(alarms)),
        "reruns_that_differ": share(sum(found.layer is not None for found in told.values()), len(told)),
        "edits": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=3, help="in how many layers each edit is made")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--nulls", type=int, default=200)
    args = parser.parse_args()
    backend = HFCausalBackend.load(MODEL)
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "planted.duckdb")) as store:
        found = measure(store, backend, prompts(args.prompts), args.layers, args.nulls)
    told = {"model": MODEL, "prompts": args.prompts, "rules": [rule.name for rule in RULES], **found}
    write_result("planted_regressions", told)


if __name__ == "__main__":
    main()
