"""A store of two models on the same prompts, with margins, answers and cuts of the texts that are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headscope.analysis.types import Prompt, RunResult, Target, TokenTrace
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_result, make_set, make_tokens, make_trace

FIRST, SECOND = "small", "large"
N = 40
"""Prompts that succeeded on both."""


@dataclass(frozen=True)
class Planted:
    """What one model says of one prompt: its margin, the target's rank, the top token's probability, the tokens' ends
    in characters and log-probabilities (the first is not predicted)."""

    margin: float
    rank: int
    stated: float
    ends: list[int]
    logprobs: list[float]


def result(prompt: Prompt, planted: Planted) -> RunResult:
    made, trace = make_result(prompt), traced(prompt.text, planted)
    target = Target(
        41, prompt.target or "", 1, "given", -2.5, planted.rank, 42, prompt.foil, 2, -2.5 - planted.margin, 11
    )
    return replace(made, target=target if prompt.target else None, trace=trace, attributions=())


def traced(text: str, planted: Planted) -> TokenTrace:
    """A trace over these tokens: one that ends at 0 is a start token."""
    ends, n = planted.ends, len(planted.ends)
    spans = np.array([[0, *ends[:-1]], ends], dtype=np.int32).T.reshape(-1, 2)
    cut = make_tokens(text)
    texts, special = tuple(text[a:b] for a, b in spans), np.array([end == 0 for end in ends])
    ids, words = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
    tokens = replace(cut, ids=ids, char_spans=spans, words=words, texts=texts, special=special)
    logprobs = np.array(planted.logprobs, np.float32)
    made = make_trace(" ".join(["x"] * n), np.random.default_rng(0))
    candidates = made.topk_logprobs.copy()
    candidates[-1, 0] = np.log(planted.stated)
    return replace(made, tokens=tokens, logprobs=logprobs, topk_logprobs=candidates)


def prompts() -> list[Prompt]:
    """Half in pairs about people, whose targets are no answers; the others alone, with an answer."""
    found = []
    for i in range(N // 4):
        for group in ("old", "young"):
            found.append(
                Prompt(f"p{i}-{group}", f"The {group} cook {i} was", " kind", " rude", group, f"p{i}", ("age",))
            )
    found += [Prompt(f"q{i}", f"Question {i} is", " yes", " no", None, None, ("fact",)) for i in range(N // 2)]
    return found


def plant(prompt: Prompt, model: str, rng: np.random.Generator) -> Planted:
    """The second model reads a start token first and cuts the texts at every third character."""
    shift = 0.0 if model == FIRST else 0.8
    rank = 1 if rng.random() < (0.5 if model == FIRST else 0.7) else int(rng.integers(2, 90))
    text = prompt.text
    ends = [int(end) for end in make_tokens(text).char_spans[:, 1]]
    if model == SECOND:
        ends = [0, *(end for end in range(3, len(text), 3)), len(text)]
    logprobs = [float("nan"), *(-rng.gamma(2.0, 1.0, len(ends) - 1)).tolist()]
    return Planted(float(rng.normal(shift, 2)), rank, float(rng.uniform(0.1, 0.95)), ends, logprobs)


def fill(store: Store, name: str = "asked") -> dict[str, dict[str, Planted]]:
    """Save everything; what is planted, by model and id of the prompt, of those that succeeded on both. Beside these:
    an older run of `q0` on the first, `failed` on the second, `edited` with another text there, `mine` and `theirs` on
    one alone, `tie` (margin 0 on the second), and `bare` without a target."""
    rng = np.random.default_rng(5)
    asked = prompts()
    planted = {model: {prompt.id: plant(prompt, model, rng) for prompt in asked} for model in (FIRST, SECOND)}
    tie, bare = Prompt("tie", "A tie is", " yes", " no"), Prompt("bare", "Without a target")
    for model in planted:
        planted[model] |= {prompt.id: plant(prompt, model, rng) for prompt in (tie, bare)}
    planted[SECOND]["tie"] = replace(planted[SECOND]["tie"], margin=0.0)
    failed, edited = Prompt("failed", "This fails", " yes", " no"), Prompt("edited", "Before it", " yes", " no")
    some = plant(asked[0], FIRST, rng)
    save(
        store,
        "early",
        FIRST,
        name,
        [result(asked[-N // 2], replace(some, margin=99.0, ends=[8, 10, 13], logprobs=[0.0] * 3))],
    )
    own = {FIRST: [result(failed, short(failed)), result(edited, short(edited)), lone("mine")],
           SECOND: [make_failure(failed), lone_text(replace(edited, text="After it")), lone("theirs")]}  # fmt: skip
    for model, values in planted.items():
        made = [result(prompt, values[prompt.id]) for prompt in (*asked, tie, bare)]
        save(store, "late", model, name, [*made, *own[model]])
    return planted


def short(prompt: Prompt) -> Planted:
    return Planted(1.0, 2, 0.5, [2, len(prompt.text)], [float("nan"), -1.0])


def lone(key: str) -> RunResult:
    return lone_text(Prompt(key, f"Only {key}", " yes", " no"))


def lone_text(prompt: Prompt) -> RunResult:
    return result(prompt, short(prompt))


def save(store: Store, experiment: str, model: str, name: str, results: list[RunResult]) -> None:
    job = store.start_job(experiment=experiment, model=model, spec={}, total=len(results))
    asked = make_set(*(one.prompt for one in results), name=name)
    own = [replace(one, result_key=f"{experiment}{model}{one.prompt.id}") for one in results]
    store.save(job, make_info(model), asked, ["layers"], 0, own)
