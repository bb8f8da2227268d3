"""Do the heads that look like induction heads matter? Head scores against ablation, on repeated sequences.

On prompts of the `induction` set that the model does continue (the target is its top candidate) every head of the
embedded model gets its induction score (mean attention to the token that followed the earlier occurrence of the
query's token) and its ablation effect on target minus foil (another item of the sequence). An induction head should
have both. As a control, the same heads are ablated on `factual_recall`, where nothing repeats: a head whose loss hurts
everywhere is no induction head.
`PROMPTS=8` in the environment chooses how many prompts of each set, evenly spread; `KIND=mean|zero` what takes the
place of a head's output.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.measurements.heads import head_summaries
from headscope.analysis.methods.head_ablation import HeadAblation
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets

MODEL = "smollm2-135m-instruct"
PROMPTS = int(os.environ.get("PROMPTS", "8"))
KIND = os.environ.get("KIND", "mean")
TOP = 10
SCORES = ("induction", "duplicate_token", "previous_token", "first_token", "entropy")
Array = NDArray[np.float64]


def measure(backend: HFCausalBackend, name: str) -> dict[str, Array]:
    """Every head score and `ablation` (nats), `[prompt, layer, head]`, and the values `[prompt]` (nats)."""
    answered = []
    for prompt in prompt_sets.load(name).prompts:
        work = Workspace(backend, [backend.tokenize(prompt.text)], Capture(attention=True))
        target = backend.resolve_target(work.texts[0], prompt.target, prompt.foil, work.next_logprobs[0])
        heads = head_summaries(work.attentions, work.batch, work.forward.visible)[0]
        if target.rank == 1 and (name != "induction" or np.isfinite(heads.induction).all()):
            answered.append((work, target, heads))
    print(f"{name}: the target is the model's top candidate on {len(answered)} prompts of the set")
    rows: dict[str, list[Any]] = {name: [] for name in (*SCORES, "ablation", "value")}
    for work, target, heads in answered[:: max(1, len(answered) // PROMPTS)][:PROMPTS]:
        (found,) = HeadAblation().attribute(work, [target], {"kind": KIND})
        for score in SCORES:
            rows[score].append(getattr(heads, score))
        rows["ablation"].append(found.scores)
        rows["value"].append(found.value)
    return {name: np.array(values, dtype=np.float64) for name, values in rows.items()}


def _spearman(one: Array, other: Array) -> float:
    """Rank correlation; ties, which these numbers do not have, would be ranked as they come."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (one, other)]
    centred = [rank - rank.mean() for rank in ranks]
    return float((centred[0] * centred[1]).mean() / (centred[0].std() * centred[1].std()))


def main() -> None:
    started = time.perf_counter()
    backend = HFCausalBackend.load(MODEL)
    found, control = measure(backend, "induction"), measure(backend, "factual_recall")
    n_prompts, n_layers, n_heads = found["ablation"].shape
    effect, elsewhere = (one["ablation"].mean(0).ravel() for one in (found, control))
    print(f"{MODEL}, {n_prompts} prompts, {n_layers} x {n_heads} heads, {KIND} ablation, target minus foil")
    print(f"value: mean {found['value'].mean():.2f} nats, on the control {control['value'].mean():.2f}")
    result: dict[str, Any] = {"model": MODEL, "n_prompts": n_prompts, "n_control": len(control["value"]), "kind": KIND}
    result |= {"mean_effect": effect.mean(), "mean_control": elsewhere.mean()}
    for name in SCORES:
        score = found[name].mean(0).ravel()
        top = np.argsort(-score)[:TOP]
        result[name] = {
            "spearman": _spearman(score, effect),
            "spearman_of_size": _spearman(score, np.abs(effect)),
            "top_effect": effect[top].mean(),
            "top_control": elsewhere[top].mean(),
            "overlap": len(set(top) & set(np.argsort(-effect)[:TOP])),
        }
        print(f"{name}: " + ", ".join(f"{key} {value:+.3f}" for key, value in result[name].items()))
    _print_heads(found, elsewhere)
    result["seconds"] = time.perf_counter() - started
    write_result("induction_heads", result)


def _print_heads(found: dict[str, Array], elsewhere: Array) -> None:
    """The heads at the top of each order, with what they do here and on the control."""
    n_prompts, _, n_heads = found["ablation"].shape
    per_prompt = found["ablation"].reshape(n_prompts, -1)
    scores = {name: found[name].mean(0).ravel() for name in ("induction", "previous_token")}
    for label, order in (*scores.items(), ("effect", per_prompt.mean(0))):
        print(
            f"highest {label} (layer.head: induction, previous_token, effect, effect on the control, prompts it hurts)"
        )
        for head in np.argsort(-order)[:TOP]:
            place = f"{head // n_heads}.{head % n_heads}"
            looks = ", ".join(f"{values[head]:.2f}" for values in scores.values())
            hurt = f"{int((per_prompt[:, head] > 0).sum())} of {n_prompts}"
            print(f"  {place}: {looks}, {per_prompt[:, head].mean():+.3f}, {elsewhere[head]:+.3f}, {hurt}")


if __name__ == "__main__":
    main()
