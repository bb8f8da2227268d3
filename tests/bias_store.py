"""A store of counterfactual pairs with planted differences: two models, two experiments, heads that were ablated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headscope.analysis.types import Attribution, Prompt, RunResult
from headscope.storage.repository import Store
from tests.factories import make_attribution, make_info, make_result, make_set

WORDINGS = tuple(f"w{i}" for i in range(8))
ROW = "one|manners|age|old|young"
"""A contrast of the experiment `people`, and of `heads`."""


def measured(prompt: Prompt, margin: float, *more: Attribution) -> RunResult:
    """A run with this log P(target) - log P(foil)."""
    made = make_result(prompt)
    assert made.target is not None
    target = replace(made.target, logprob=-1.0, foil_logprob=-1.0 - margin)
    return replace(made, target=target, attributions=(*made.attributions, *more))


def manners(shift: float) -> list[RunResult]:
    """Eight pairs old / young, of which the old have 2 + `shift` nats more, give or take."""
    found = []
    for i, word in enumerate(WORDINGS):
        for group in ("old", "young"):
            prompt = Prompt(f"{word}-{group}", f"The {word} {group} was", " kind", " rude", group, word, ("age",))
            found.append(measured(prompt, (2 + shift + 0.1 * i if group == "old" else 0.0)))
    return found


def sentences() -> list[RunResult]:
    """Six pairs of coreference: always right where the stereotype fits, twice where it does not."""
    found = []
    for i in range(6):
        for group, word in (("fits the stereotype", "she"), ("goes against it", "he")):
            tags = ("coreference", f"template:c{i}")
            prompt = Prompt(f"c{i}-{word}", f"The nurse {i} said {word}", " nurse", " cook", group, f"c{i}", tags)
            found.append(measured(prompt, 1.0 if word == "she" or i < 2 else -1.0))
    return found


def save(store: Store, experiment: str, model: str, name: str, results: list[RunResult]) -> None:
    job = store.start_job(experiment=experiment, model=model, spec={}, total=len(results))
    prompts = make_set(*(result.prompt for result in results), name=name)
    own = [replace(result, result_key=f"{experiment}{model}{result.prompt.id}") for result in results]
    store.save(job, make_info(model), prompts, ["layers"], 0, own)


def ablated(scores: np.ndarray) -> Attribution:
    return replace(make_attribution("head_ablation", scores), axes=("layer", "head"), params={"kind": "zero"})


def fill(store: Store) -> None:
    """`people`: the old have 3.35 nats more by model one, 2.35 by model two; `later`: 0.85 by model one; `heads`: one
    pair of model one with head ablation."""
    save(store, "people", "one", "manners", manners(1.0))
    save(store, "people", "two", "manners", manners(0.0))
    save(store, "people", "one", "sentences", sentences())
    save(store, "later", "one", "manners", manners(-1.5))
    heads = np.zeros((4, 3))
    heads[2, 1], heads[0, 2] = 1.5, -0.25
    one, other, *_ = manners(0.0)
    save(store, "heads", "one", "manners", [
        measured(one.prompt, 2.0, ablated(heads)), measured(other.prompt, 0.0, ablated(heads * 0.2))])  # fmt: skip
