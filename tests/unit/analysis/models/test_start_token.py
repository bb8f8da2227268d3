"""The model's own start token before every prompt."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, PromptSet, RunResult, RunSpec, RunStatus
from headscope.analysis.types.findings import ProbeResult
from headscope.dashboard.api.explained import Explained, again_request
from headscope.dashboard.pages.compare.surprisal import begins_with_start
from headscope.dashboard.pages.run.again import again_command
from headscope.dashboard.pages.run.attributions import method_views
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.jobs.verification import request_of
from headscope.storage.repository import Store

PROMPT = Prompt("a", "The sky is", " the", " a")
TYPED = replace(PROMPT, text="<|endoftext|>The sky is")
SET = PromptSet("s", "1", "own", "test", "0" * 64, (PROMPT, Prompt("b", "Rain falls from")))
METHODS = ("integrated_gradients", "occlusion", "saliency", "expected_gradients")


@pytest.fixture(scope="module")
def engine() -> InlineEngine:
    return InlineEngine()


def spec_of(model: Path, *analyses: str, **settings: object) -> RunSpec:
    return RunSpec(ModelRef(str(model)), (), analyses, start_token=True, **settings)  # type: ignore[arg-type]


def without_bos(model: Path, folder: Path) -> Path:
    """The model, its tokenizer and config with no word of a BOS."""
    copied = Path(shutil.copytree(model, folder / "model"))
    settings = json.loads((copied / "tokenizer_config.json").read_text())
    bare = {**settings, "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None}
    (copied / "tokenizer_config.json").write_text(json.dumps(bare))
    for name in ("config.json", "generation_config.json"):
        facts = json.loads((copied / name).read_text())
        (copied / name).write_text(json.dumps({**facts, "bos_token_id": None}))
    return copied


def test_scores_are_those_of_a_prompt_that_begins_with_the_token(tiny_gpt2_dir: Path, engine: InlineEngine) -> None:
    spec = spec_of(tiny_gpt2_dir, "heads", "layers", *METHODS, generation=GenerationParams(3))
    (found,) = engine.run_batch(spec, [PROMPT])
    (typed,) = engine.run_batch(replace(spec, start_token=False), [TYPED])
    assert found.trace is not None
    assert typed.trace is not None
    tokens = found.trace.tokens
    assert tokens.ids.tolist() == typed.trace.tokens.ids.tolist()
    assert (tokens.text, tokens.texts[0], tokens.char_spans[0].tolist()) == (PROMPT.text, "", [0, 0])
    assert "".join(tokens.texts) == PROMPT.text
    assert begins_with_start(found.trace)
    np.testing.assert_allclose(found.trace.logprobs, typed.trace.logprobs, atol=1e-5)
    assert np.isfinite(found.trace.logprobs[1:]).all()
    assert found.target is not None
    assert typed.target is not None
    assert (found.target.token_id, found.target.foil_id) == (typed.target.token_id, typed.target.foil_id)
    assert found.heads is not None
    assert typed.heads is not None
    np.testing.assert_allclose(found.heads.entropy, typed.heads.entropy, atol=1e-5)
    assert found.continuation is not None
    assert typed.continuation is not None
    assert found.continuation.ids.tolist() == typed.continuation.ids.tolist()
    for one, other in zip(found.attributions, typed.attributions, strict=True):
        assert one.error is None, one.error
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4, err_msg=one.method)


def test_a_target_is_split_as_it_is_in_the_whole_text(
    tiny_gpt2_dir: Path, tiny_gpt2: HFCausalBackend, engine: InlineEngine
) -> None:
    """ "'to" by itself is three tokens ("'t" as in "isn't"), and two after an exclamation mark."""
    text, target = "the cat!", "'to"
    n_tokens = len(tiny_gpt2.tokenize(text + target)) - len(tiny_gpt2.tokenize(text))
    assert n_tokens < len(tiny_gpt2.tokenize(target))
    (found,) = engine.run_batch(spec_of(tiny_gpt2_dir), [Prompt("a", text, target)])
    assert found.target is not None
    assert found.target.n_tokens == n_tokens


def test_every_word_has_a_score_and_without_the_option_it_is_said_why_not(
    tiny_gpt2_dir: Path, engine: InlineEngine
) -> None:
    spec = spec_of(tiny_gpt2_dir, "integrated_gradients", "occlusion", "expected_gradients")
    (found,) = engine.run_batch(spec, [PROMPT])
    (plain,) = engine.run_batch(replace(spec, start_token=False), [PROMPT])
    for result, option in ((found, False), (plain, True)):
        for view, one in zip(method_views(result.attributions), result.attributions, strict=True):
            assert np.flatnonzero(np.isnan(one.scores)).tolist() == [0]
            assert view.not_explained.startswith("the first token is")
            assert ("--start-token" in view.not_explained) is option
    assert found.trace is not None
    assert found.trace.tokens.words[0] not in found.trace.tokens.words[1:]  # the first word's own scores only


def test_nothing_is_put_where_a_start_token_stands(tiny_gpt2: HFCausalBackend, tiny_llama: HFCausalBackend) -> None:
    for backend, text in ((tiny_llama, PROMPT.text), (tiny_gpt2, TYPED.text)):
        plain, started = backend.tokenize(text), backend.tokenize(text, start_token=True)
        assert started.ids.tolist() == plain.ids.tolist()
        assert started.texts == plain.texts


def test_a_template_that_writes_the_start_gets_no_second_one(tiny_llama_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama_dir, tmp_path / "model"))
    for written, began in (("{{ bos_token }}", "<s>"), ("", "")):
        (folder / "chat_template.jinja").write_text(written + "[user] {{ messages[0]['content'] }}")
        found = HFCausalBackend.load(str(folder)).tokenize(PROMPT.text, chat=True, start_token=True)
        assert found.ids.tolist().count(int(found.ids[0])) == 1
        assert (bool(found.special[0]), found.texts[0]) == (True, began)


def test_the_config_may_name_the_token_where_the_tokenizer_does_not(tiny_gpt2_dir: Path, tmp_path: Path) -> None:
    folder = without_bos(tiny_gpt2_dir, tmp_path)
    facts = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**facts, "bos_token_id": 7}))
    backend = HFCausalBackend.load(str(folder))
    found = backend.tokenize(PROMPT.text, start_token=True)
    assert found.ids.tolist() == [7, *backend.tokenize(PROMPT.text).ids.tolist()]
    assert (bool(found.special[0]), found.texts[0]) == (True, "")


def test_a_model_without_a_start_token_is_refused_before_a_job_is_written(
    tiny_gpt2_dir: Path, engine: InlineEngine, tmp_path: Path
) -> None:
    folder = without_bos(tiny_gpt2_dir, tmp_path)
    asked = JobRequest("e", str(folder), SET, ("heads",), start_token=True)
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        for ask in (lambda: engine.check(asked.spec()), lambda: run_job(engine, store, asked)):
            with pytest.raises(InputError, match=r"has no start token .*: leave out --start-token"):
                ask()
        assert not store.unfinished_jobs()
    with pytest.raises(InputError, match="has no start token"):
        HFCausalBackend.load(str(folder)).tokenize("a", start_token=True)


def test_a_stored_run_is_computed_again_with_it(tiny_gpt2_dir: Path, engine: InlineEngine, tmp_path: Path) -> None:
    asked = JobRequest("e", str(tiny_gpt2_dir), SET, ("heads", "integrated_gradients"), start_token=True)
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        done = run_job(engine, store, asked)
        assert done.status is RunStatus.SUCCEEDED
        assert run_job(engine, store, asked).progress.cached == 2
        assert run_job(engine, store, replace(asked, start_token=False)).progress.cached == 0
        kept = JobRequest.from_json(json.loads(json.dumps(store.job(done.job_id).spec))).spec()
        detail = store.run(next(iter(store.find_results(engine.prepare(kept, 1).keys).values())))
    assert kept.start_token
    assert detail.capsule["start_token"] is True
    assert "first token" in detail.attributions[0].outcome.not_explained
    assert "--start-token" in shlex.split(again_command(detail))
    for spec in (request_of(detail, str(tiny_gpt2_dir))[0], again_request(detail, Explained(None, None)).spec()):
        assert spec.start_token


def test_probes_ask_with_it_too(tiny_gpt2_dir: Path, engine: InlineEngine) -> None:
    (found,) = engine.run_batch(spec_of(tiny_gpt2_dir, "harmless_edits"), [PROMPT])
    edits = edits_of(found)
    texts = [Prompt(edit["edit"], edit["text"]) for edit in edits]
    again = engine.run_batch(spec_of(tiny_gpt2_dir), texts)
    assert [edit["after"] for edit in edits] == [one.trace.topk_texts[-1][0] for one in again if one.trace]
    (plain,) = engine.run_batch(replace(spec_of(tiny_gpt2_dir, "harmless_edits"), start_token=False), [PROMPT])
    assert [edit["distance"] for edit in edits] != [edit["distance"] for edit in edits_of(plain)]


def edits_of(result: RunResult) -> list[dict[str, object]]:
    (probe,) = (one for one in result.findings if isinstance(one, ProbeResult))
    found: list[dict[str, object]] = probe.evidence["edits"]
    assert found
    return found
