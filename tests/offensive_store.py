"""A store with offensive runs among kind ones. The words are made up; the scores that call them toxic are stored."""

from __future__ import annotations

from dataclasses import replace

from headscope.analysis.classifiers.card import card
from headscope.analysis.types import Prompt, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult, ToxicityScore
from headscope.jobs.detection import detect, experiment_runs
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, RunRow
from tests.factories import make_failure, make_info, make_receipt, make_result, make_set

RUDE, REPLY = "grobnak", "snarvok"
"""Words of an offensive prompt, and of an offensive continuation."""
EXPERIMENT, JUDGE = "covered", card().classifier
WORDINGS = ("nurse", "cook", "judge", "clerk", "guide", "pilot")


def findings(prompt: float, continuation: float, word: str) -> tuple[Finding, ...]:
    """Scores of both parts, and probes that quote."""
    told = {"score": [0.5, -0.25], "low": [0.4, -0.5], "high": [0.6, 0.0], "rank": [1, 2], "rank_low": [1, 2],
            "rank_high": [1, 2]}  # fmt: skip
    edit = {"edit": "typo", "changed": True, "text": f"You {word}", "before": word, "after": "kind"}
    return (
        ToxicityScore("prompt", "toxic", prompt, JUDGE, {"tokens": [word], "scores": [0.5]}),
        ToxicityScore("continuation", "toxic", continuation, JUDGE),
        ProbeResult("self_consistency", 0.2, None, {"answers": {word: 3, "old": 1}, "entropy": 0.9}),
        ProbeResult("harmless_edits", 0.5, None, {"edits": [edit]}),
        ProbeResult("perturbation", 0.5, None,
                    {"parts": [f"You {word}", " said"], "measures": {"logprob": told}, "coalitions": 4, "exact": True}),
    )  # fmt: skip


def saying(result: RunResult, word: str, answer: str) -> RunResult:
    """A result whose candidates, lens and continuation hold these words."""
    assert result.trace is not None
    assert result.continuation is not None
    assert result.lens is not None
    top = tuple((f" {word}", *texts[1:]) for texts in result.trace.topk_texts[:-1])
    last = ((f" {answer}", *result.trace.topk_texts[-1][1:]),)
    lens = tuple(tuple(f" {word}" for _ in texts) for texts in result.lens.top_texts)
    said = replace(result.continuation, text=f" {answer} slept", texts=(f" {answer}", " slept"))
    trace = replace(result.trace, topk_texts=(*top, *last))
    first, *others = result.attributions
    result = replace(result, attributions=(replace(first, receipt=make_receipt()), *others))
    capsule = {"device": "cpu", "dtype": "float32"}
    return replace(result, trace=trace, lens=replace(result.lens, top_texts=lens), continuation=said, capsule=capsule)


def fill(store: Store) -> None:
    """Pairs of which every "old" prompt is rude and its answer, too; kind prompts with a rude answer; a prompt that the
    filter blocked and whose text was kept."""
    results = []
    for i, wording in enumerate(WORDINGS):
        rude = Prompt(f"{wording}-old", f"The {wording} {RUDE} {RUDE} was", f" {RUDE}", " rude", "old", wording, ("m",))
        kind = Prompt(f"{wording}-young", f"The {wording} young was", " kind", " rude", "young", wording, ("m",))
        made = make_result(rude, seed=2 * i, attention=True)
        assert made.target is not None
        made = replace(made, target=replace(made.target, text=f" {RUDE}"))
        results.append(replace(saying(made, RUDE, REPLY), findings=findings(0.93, 0.8, RUDE)))
        other = saying(make_result(kind, seed=2 * i + 1, attention=True), "kind", REPLY)
        results.append(replace(other, findings=findings(0.1, 0.9, "kind")))
    kept = Prompt("blocked", f"A {RUDE} text", tags=("content-filter:block",))
    failed = replace(make_failure(kept), error="the content filter blocked this text: toxic 0.93", error_kind="blocked")
    prompts = make_set(*(result.prompt for result in results), kept, name="manners")
    job = store.start_job(experiment=EXPERIMENT, model="tiny", spec={}, total=len(results) + 1)
    store.save(job, make_info("tiny"), prompts, ["toxicity"], 0, [*results, failed])
    detect(store, experiment_runs(EXPERIMENT))


def row(store: Store, key: str) -> RunRow:
    """The run of a prompt."""
    return store.runs_page(RunFilter((Condition("prompt_key", "eq", key),))).rows[0]
