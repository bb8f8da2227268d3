"""Do the heads that look like induction heads matter? Head scores against ablation, on repeated sequences.

On every prompt of the `induction` set that the model does continue (the target is its top candidate) every head of the
embedded model gets its induction score (mean attention to the token that followed the earlier occurrence of the
query's token), its ablation effect on target minus foil (another item of the sequence), and that effect with backups
counted (co-ablation). An induction head should have all of them. `SUSPECTS`, the heads of the highest induction scores,
are also removed together, two and three at a time, beside as many random heads of their layers. As a control, the same
heads are ablated on `factual_recall`, where nothing repeats: a head whose loss hurts everywhere is no induction head.
Intervals are 95 %, from drawing the prompts anew. `CONTROL=15` in the environment chooses how many prompts of the
control, evenly spread; `KIND=mean|zero` what takes the place of a head's output.
"""

from __future__ import annotations

import os
import time
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import write_result
from headscope.analysis.attribution.head_removal import NO_HEAD, HeadRemoval
from headscope.analysis.attribution.head_substitutes import prompt_mean, zero
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.measurements.heads import head_summaries
from headscope.analysis.methods.co_ablation import CoAblation
from headscope.analysis.statistics.intervals import bootstrap_means
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets

MODEL = "smollm2-135m-instruct"
CONTROL = int(os.environ.get("CONTROL", "15"))
KIND = os.environ.get("KIND", "mean")
SUSPECTS = ("17.4", "17.5", "18.6")
TOP, RANDOM_TRIPLES, DRAWS = 10, 60, 5000
SCORES = ("induction", "duplicate_token", "previous_token", "first_token", "entropy")
Array = NDArray[np.float64]


def measure(backend: HFCausalBackend, name: str, most: int | None = None) -> dict[str, Array]:
    """Every head score, `alone` and `with_backups` (nats), `[prompt, head]`, heads in the order of layers; `groups`
    and `random` (nats), `[prompt, group]`; and the values `[prompt]` (nats)."""
    answered = []
    for prompt in prompt_sets.load(name).prompts:
        work = Workspace(backend, [backend.tokenize(prompt.text)], Capture(attention=True))
        target = backend.resolve_target(work.texts[0], prompt.target, prompt.foil, work.next_logprobs[0])
        heads = head_summaries(work.attentions, work.batch, work.forward.visible)[0]
        if target.rank == 1 and (name != "induction" or np.isfinite(heads.induction).all()):
            answered.append((work, target, heads))
    print(f"{name}: the target is the model's top candidate on {len(answered)} prompts of the set", flush=True)
    if most is not None:
        answered = answered[:: max(1, len(answered) // most)][:most]
    rows: dict[str, list[Any]] = {}
    for work, target, heads in answered:
        (found,) = CoAblation().attribute(work, [target], {"kind": KIND})
        measured = {score: getattr(heads, score).ravel() for score in SCORES}
        measured |= {"with_backups": found.scores[0].ravel(), "alone": found.scores[1].ravel(), "value": found.value}
        n_heads = backend.info.n_heads
        measured["groups"] = lost(work, target, groups(n_heads))
        measured["random"] = lost(work, target, random_triples(n_heads))
        for key, value in measured.items():
            rows.setdefault(key, []).append(value)
        print(f"  {target.text!r}: {dict(found.outcome.facts)}", flush=True)
    return {key: np.array(values, dtype=np.float64) for key, values in rows.items()}


def groups(n_heads: int) -> list[tuple[int, ...]]:
    """The suspects one, two and three at a time, as numbers of heads."""
    found = [number(head, n_heads) for head in SUSPECTS]
    return [group for size in (1, 2, 3) for group in combinations(found, size)]


def random_triples(n_heads: int) -> list[tuple[int, ...]]:
    """Other heads of the suspects' layers: as many of each layer as there are suspects."""
    taken = {number(head, n_heads) for head in SUSPECTS}
    rng = np.random.default_rng(0)
    layers = sorted(head // n_heads for head in taken)
    found: list[tuple[int, ...]] = []
    while len(found) < RANDOM_TRIPLES:
        drawn = {int(layer * n_heads + rng.integers(n_heads)) for layer in layers}
        if len(drawn) == len(taken) and not drawn & taken:
            found.append(tuple(sorted(drawn)))
    return found


def number(head: str, n_heads: int) -> int:
    layer, _, index = head.partition(".")
    return int(layer) * n_heads + int(index)


@torch.no_grad()
def lost(work: Workspace, target: Target, removed: list[tuple[int, ...]]) -> Array:
    """What the explained quantity loses (nats) without each group of heads."""
    removal = HeadRemoval(work, [target])
    substitute = prompt_mean(removal) if KIND == "mean" else zero(removal)
    widest = max(map(len, removed))
    off = torch.tensor([[*group, *[NO_HEAD] * (widest - len(group))] for group in removed])
    found = removal.without(torch.zeros(len(removed), dtype=torch.long), off, substitute)
    return (removal.values - found).double().numpy()


def interval(values: Array) -> list[Any]:
    """Mean over the prompts and its 95 % interval, `[3, ...]`, of values `[prompt, ...]`."""
    found = bootstrap_means(values, draws=DRAWS)
    return [np.round(one, 4).tolist() for one in (found.mean, found.low, found.high)]


def _spearman(one: Array, other: Array) -> float:
    """Rank correlation; ties, which these numbers do not have, would be ranked as they come."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (one, other)]
    centred = [rank - rank.mean() for rank in ranks]
    return float((centred[0] * centred[1]).mean() / (centred[0].std() * centred[1].std()))


def per_head(found: dict[str, Array], control: dict[str, Array], n_heads: int) -> list[dict[str, Any]]:
    """A row per head that leads in some order, or is a suspect: mean scores, effects as [mean, low, high]."""
    orders = [found[key].mean(0) for key in ("induction", "previous_token", "alone", "with_backups")]
    leading = {int(head) for order in orders for head in np.argsort(-order)[:TOP]}
    leading |= {number(head, n_heads) for head in SUSPECTS}
    effects = {
        f"{key}{where}": interval(one[key])
        for where, one in (("", found), ("_on_control", control))
        for key in ("alone", "with_backups")
    }
    rank = {key: np.argsort(np.argsort(-found[key].mean(0))) + 1 for key in ("alone", "with_backups")}
    return [
        {
            "head": f"{head // n_heads}.{head % n_heads}",
            **{key: round(float(found[key].mean(0)[head]), 3) for key in ("induction", "previous_token")},
            **{key: [values[part][head] for part in range(3)] for key, values in effects.items()},
            **{f"rank_{key}": int(values[head]) for key, values in rank.items()},
            "hurts": int((found["alone"][:, head] > 0).sum()),
            "hurts_with_backups": int((found["with_backups"][:, head] > 0).sum()),
        }
        for head in sorted(leading, key=lambda head: -found["induction"].mean(0)[head])
    ]


def together(found: dict[str, Array], control: dict[str, Array], n_heads: int) -> dict[str, Any]:
    """Groups of suspects as [mean, low, high], how much more the three lose than one by one, and where that lies among
    random triples."""
    names = [", ".join(f"{head // n_heads}.{head % n_heads}" for head in group) for group in groups(n_heads)]
    loss, elsewhere = interval(found["groups"]), interval(control["groups"])
    n = len(SUSPECTS)
    more = found["groups"][:, -1] - found["groups"][:, :n].sum(1)
    random = found["random"].mean(0)
    return {
        "lost": {name: [loss[part][i] for part in range(3)] for i, name in enumerate(names)},
        "lost_on_control": {name: [elsewhere[part][i] for part in range(3)] for i, name in enumerate(names)},
        "all_minus_sum_of_single": interval(more),
        "all_hurt": int((found["groups"][:, -1] > 0).sum()),
        "beside_the_others": {
            SUSPECTS[i]: interval(found["groups"][:, -1] - found["groups"][:, -2 - i]) for i in range(n)
        },
        "random_triples": {
            "n": len(random),
            "mean": float(random.mean()),
            "largest": float(random.max()),
            "that_lose_as_much": int((random >= found["groups"][:, -1].mean()).sum()),
        },
    }


def main() -> None:
    started = time.perf_counter()
    backend = HFCausalBackend.load(MODEL)
    n_heads = backend.info.n_heads
    found, control = measure(backend, "induction"), measure(backend, "factual_recall", CONTROL)
    result: dict[str, Any] = {
        "model": MODEL,
        "n_prompts": len(found["value"]),
        "n_control": len(control["value"]),
        "kind": KIND,
        "value": interval(found["value"]),
        "value_on_control": interval(control["value"]),
    }
    effects = {key: found[key].mean(0) for key in ("alone", "with_backups")}
    for name in SCORES:
        score = found[name].mean(0)
        result[name] = {
            f"spearman_{key}{of}": _spearman(score, np.abs(effect) if of else effect)
            for key, effect in effects.items()
            for of in ("", "_size")
        }
    result["heads"] = per_head(found, control, n_heads)
    result["together"] = together(found, control, n_heads)
    result["seconds"] = round(time.perf_counter() - started, 1)
    write_result("induction_heads", result)


if __name__ == "__main__":
    main()
