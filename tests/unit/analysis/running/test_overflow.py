"""A model whose numbers overflow for some tokens: what does not need them stays, the rest says why it is not there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import BackendError
from headscope.analysis.running.runner import run_batch
from headscope.analysis.running.typed import analyse_live
from headscope.analysis.types import GenerationParams, Prompt, PromptSet, RunResult, RunSpec, RunStatus
from headscope.analysis.types.live import LiveRequest
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter

OVERFLOWS = 1e5  # a float16 goes to 65,504
SOUND, LAST, MIDDLE = "The quick fox found", "The quick fox found a", "The quick fox found a small door"
METHODS = ("saliency", "occlusion", "attention_mean", "head_ablation", "integrated_gradients")
PARAMS = {"occlusion": {"masking": "delete"}}  # the mean embedding is one of all tokens
ASKED = ("heads", "layers", "logit_lens", "attention", "receipts", *METHODS, "harmless_edits")


@pytest.fixture(scope="module")
def broken_dir(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama with an embedding of the token " a" that float16 does not hold."""
    folder = Path(shutil.copytree(tiny_llama_dir, tmp_path_factory.mktemp("broken") / "tiny-broken"))
    weights = load_file(folder / "model.safetensors")
    token = int(HFCausalBackend.load(str(folder)).tokenize(LAST).ids[-1])
    weights["model.embed_tokens.weight"][token, 0] = OVERFLOWS
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def broken(broken_dir: Path) -> HFCausalBackend:
    return HFCausalBackend.load(str(broken_dir), "float16")


def run(backend: HFCausalBackend, *prompts: Prompt) -> list[RunResult]:
    spec = RunSpec(backend.info.ref, (), ASKED, params=PARAMS, generation=GenerationParams(2))
    return run_batch(backend, spec, prompts)


@pytest.fixture(scope="module")
def runs(broken: HFCausalBackend) -> dict[str, RunResult]:
    texts = (SOUND, LAST, MIDDLE)
    return dict(zip(texts, run(broken, *(Prompt(text, text) for text in texts)), strict=True))


def test_a_prompt_without_the_token_has_everything(runs: dict[str, RunResult]) -> None:
    sound = runs[SOUND]
    assert (sound.status, sound.missing) == (RunStatus.SUCCEEDED, ())
    assert [one.error for one in sound.attributions] == [None] * len(METHODS)


@pytest.mark.parametrize("text", [LAST, MIDDLE])
def test_what_was_read_before_the_token_stays(runs: dict[str, RunResult], text: str) -> None:
    sound, sick = runs[SOUND], runs[text]
    assert sick.status is RunStatus.SUCCEEDED
    assert sound.trace and sick.trace and sound.lens and sick.lens  # noqa: PT018 - for the type checker
    n = len(sound.trace.tokens)
    np.testing.assert_allclose(sick.trace.logprobs[1:n], sound.trace.logprobs[1:], atol=0.02)
    np.testing.assert_array_equal(sick.trace.topk_ids[:n, 0], sound.trace.topk_ids[:, 0])
    assert sick.trace.entropies[n] == pytest.approx(sound.trace.next_entropy, abs=0.02)
    k = sound.trace.topk_ids[-1].tolist()
    if (came := int(sick.trace.tokens.ids[n])) in k:
        assert sick.trace.ranks[n] == k.index(came) + 1
    assert np.isfinite(sick.trace.logprobs[n])
    np.testing.assert_allclose(sick.lens.entropies[:, :n], sound.lens.entropies, atol=0.02)
    assert np.isnan(sick.trace.topk_logprobs[n:]).all()
    assert (sick.trace.topk_ids[n:] == -1).all()
    assert (sick.trace.ranks[n + 1 :] == -1).all()
    assert (sick.lens.top_ids[:, n:] == -1).all()
    assert sick.lens.top_texts[0][n] == ""


@pytest.mark.parametrize("text", [LAST, MIDDLE])
def test_what_needs_it_says_why_it_is_not_there(runs: dict[str, RunResult], text: str) -> None:
    sick = runs[text]
    assert sick.trace is not None
    n = len(sick.trace.tokens)
    reasons = {part.part: part.reason for part in sick.missing}
    assert {part.kind for part in sick.missing} == {"part"}
    assert set(reasons) == {"heads", "layers", "attention", "trace", "continuation"}
    first = len(run_tokens(LAST, sick))
    assert f"after {n - first} of {n} tokens, the first of them token {first} (' a')" in reasons["trace"]
    assert "use float32, or get the model again" in reasons["layers"]
    assert "computed non-finite attention weights in float16" in reasons["heads"]
    assert sick.target is None  # the model predicts nothing
    for one in sick.attributions:
        assert "there is no value to explain: " in str(one.error)
    assert [np.isnan(found.score) for found in sick.findings] == [True]


def run_tokens(text: str, result: RunResult) -> tuple[str, ...]:
    """The tokens before the last one of `text`, which `result` begins with."""
    assert result.trace is not None
    end = result.trace.tokens.texts.index(" a")
    assert "".join(result.trace.tokens.texts[: end + 1]) == text
    return result.trace.tokens.texts[:end]


def test_a_given_target_is_kept_without_a_place(broken: HFCausalBackend) -> None:
    (found,) = run(broken, Prompt("p", LAST, target=" small", foil=" door"))
    assert found.target is not None
    assert found.target.chosen == "given"
    assert np.isnan([found.target.logprob, found.target.foil_logprob]).all()
    assert (found.target.rank, found.target.foil_rank) == (-1, -1)


def test_a_model_that_gives_no_number_at_all_is_a_failed_run(broken: HFCausalBackend) -> None:
    with torch.no_grad():
        norm = broken.structure.tail[0].weight
        kept = norm.clone()
        norm.fill_(float("nan"))
    try:
        (found,) = run(broken, Prompt("p", SOUND))
    finally:
        with torch.no_grad():
            norm.copy_(kept)
    assert (found.status, found.error_kind, found.trace) == (RunStatus.FAILED, "model", None)
    assert "computed non-finite logits for this text in float16" in str(found.error)


def test_overflow_in_the_middle_leaves_what_is_explained(tiny_llama_dir: Path) -> None:
    """An output weight along the final state of one position, so long that its logit overflows there only."""
    backend = HFCausalBackend.load(str(tiny_llama_dir), "float16")
    ids = torch.from_numpy(backend.tokenize(SOUND).ids).long()[None]
    place = 3
    with torch.no_grad():
        state = backend.structure.base(input_ids=ids).last_hidden_state[0, place].float()
        output = backend.model.get_output_embeddings()  # type: ignore[operator]
        output.weight[7] = 1.1 * 65_504 * state / state.square().sum()
    (found,) = run(backend, Prompt("p", SOUND, target=" small"))
    assert [part.part for part in found.missing] == ["trace"]
    assert f"after 1 of {ids.shape[1]} tokens, the first of them token {place}" in found.missing[0].reason
    assert found.trace is not None
    assert np.flatnonzero(found.trace.topk_ids[:, 0] < 0).tolist() == [place]
    assert np.flatnonzero(np.isnan(found.trace.logprobs)).tolist() == [0, place + 1]
    assert found.target is not None
    assert found.target.rank > 0


def test_in_float32_the_same_weights_are_no_trouble(broken_dir: Path) -> None:
    (found,) = run(HFCausalBackend.load(str(broken_dir)), Prompt("p", MIDDLE))
    assert found.missing == ()
    assert {one.error for one in found.attributions} == {None}


def test_the_live_view_says_it(broken: HFCausalBackend) -> None:
    with pytest.raises(BackendError, match="non-finite logits for what comes next in float16"):
        analyse_live(broken, LiveRequest("m", LAST))


def test_the_store_keeps_it_as_it_is(broken_dir: Path, runs: dict[str, RunResult], store_url: str) -> None:
    prompts = PromptSet("two", "1", "CC0-1.0", "test", "0" * 64, (Prompt("last", LAST), Prompt("sound", SOUND)))
    request = JobRequest("e", str(broken_dir), prompts, ASKED, dtype="float16")
    with Store.open(store_url) as store:
        run_job(InlineEngine(), store, request)
        rows = {row.prompt_key: row for row in store.runs_page(RunFilter(), limit=10).rows}
        detail = store.run(rows["last"].id)
    assert (rows["last"].next_token, rows["last"].mean_surprisal) == (None, pytest.approx(detail_mean(runs)))
    assert detail.trace is not None
    assert (detail.trace.topk_ids[-1] == -1).all()
    assert {part.part for part in detail.missing} == {"heads", "layers", "attention", "trace"}
    assert {one.error for one in detail.attributions} == {runs[LAST].attributions[0].error}
    assert replace(detail.trace, tokens=None).next_entropy != detail.trace.next_entropy  # NaN


def detail_mean(runs: dict[str, RunResult]) -> float:
    """Surprisal of all tokens: the one that overflows is itself expected by what comes before it."""
    trace = runs[LAST].trace
    assert trace is not None
    return float(-trace.logprobs[1:].astype(np.float64).mean())
