"""Number format, device and chat template of a request."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from headscope.analysis import registry
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, PromptSet, RunSpec, RunStatus
from headscope.analysis.types.findings import ProbeResult
from headscope.cli import app
from headscope.dashboard.api.explained import Explained, again_request
from headscope.dashboard.pages.run.again import again_command
from headscope.dashboard.pages.run.header import header
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.jobs.verification import request_of
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter

TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
PROMPT = Prompt("a", "The sky is")
TEMPLATED = "[user] The sky is\n[assistant] "
SET = PromptSet("s", "1", "own", "test", "0" * 64, (PROMPT, Prompt("b", "Rain falls from")))


@pytest.fixture(scope="module")
def chatty(tiny_gpt2_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has a chat template."""
    folder = Path(shutil.copytree(tiny_gpt2_dir, tmp_path_factory.mktemp("chatty") / "model"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": TEMPLATE}))
    return folder


@pytest.fixture(scope="module")
def engine() -> InlineEngine:
    return InlineEngine()


def request(model: Path, **settings: object) -> JobRequest:
    return JobRequest("e", str(model), SET, ("heads",), **settings)  # type: ignore[arg-type]


def test_the_settings_are_kept_with_the_job_and_in_the_spec(chatty: Path) -> None:
    asked = request(chatty, dtype="bfloat16", chat=True, device="cuda:1")
    spec = JobRequest.from_json(json.loads(json.dumps(asked.to_json()))).spec()
    assert (spec.model.dtype, spec.chat, spec.device) == ("bfloat16", True, "cuda:1")
    old = {key: value for key, value in asked.to_json().items() if key not in {"dtype", "chat", "device"}}
    before = JobRequest.from_json(old).spec()
    assert (before.model.dtype, before.chat, before.device) == ("float32", False, "cpu")


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("dtype", "int8"), ("chat", "yes"), ("start_token", 1), ("device", "tpu"), ("device", "cuda:x")],
)
def test_a_setting_that_does_not_exist_is_refused(chatty: Path, setting: str, wrong: str) -> None:
    with pytest.raises((UnknownNameError, InputError), match=setting):
        request(chatty, **{setting: wrong})


def test_other_settings_are_other_results(chatty: Path, engine: InlineEngine) -> None:
    plain = RunSpec(ModelRef(str(chatty)), (PROMPT,), ("heads",))
    asked = [plain, replace(plain, chat=True), replace(plain, model=replace(plain.model, dtype="bfloat16"))]
    keys = {engine.prepare(spec, 1).keys[0] for spec in asked}
    assert len(keys) == 3


def test_the_prompt_becomes_the_users_turn(chatty: Path, engine: InlineEngine) -> None:
    plain = RunSpec(ModelRef(str(chatty)), (), ("heads",), generation=GenerationParams(3))
    (found,) = engine.run_batch(replace(plain, chat=True), [PROMPT])
    (typed,) = engine.run_batch(plain, [replace(PROMPT, text=TEMPLATED)])
    assert found.trace is not None
    assert typed.trace is not None
    assert (found.prompt.text, found.trace.tokens.text) == (PROMPT.text, TEMPLATED)
    np.testing.assert_allclose(found.trace.logprobs, typed.trace.logprobs, atol=1e-5)
    assert found.continuation is not None
    assert typed.continuation is not None
    assert found.continuation.text == typed.continuation.text
    assert (found.capsule["chat"], typed.capsule["chat"]) == (True, False)


def test_the_tokenizer_puts_no_second_start_before_a_templates_own(tiny_llama_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama_dir, tmp_path / "model"))
    (folder / "chat_template.jinja").write_text("{{ bos_token }}" + TEMPLATE)
    backend = HFCausalBackend.load(str(folder))
    plain, chat = backend.tokenize(PROMPT.text), backend.tokenize(PROMPT.text, chat=True)
    start = int(plain.ids[0])
    assert plain.special[0]
    assert chat.ids.tolist().count(start) == 1
    assert int(chat.ids[0]) == start
    assert "".join(chat.texts) == chat.text


def test_a_template_does_not_hide_an_empty_prompt(chatty: Path) -> None:
    with pytest.raises(InputError, match="the prompt is empty"):
        HFCausalBackend.load(str(chatty)).tokenize("", chat=True)


def test_a_template_that_fails_is_the_prompts_failure(chatty: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chatty, tmp_path / "model"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    broken = {**settings, "chat_template": "{{ raise_exception('only one turn') }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(broken))
    (found,) = InlineEngine().run_batch(RunSpec(ModelRef(str(folder)), (), ("heads",), chat=True), [PROMPT])
    assert (found.status, found.error_kind) == (RunStatus.FAILED, "chat_template")
    assert "only one turn" in str(found.error)


def test_a_model_without_a_template_is_refused_before_a_job_is_written(
    tiny_gpt2_dir: Path, engine: InlineEngine, tmp_path: Path
) -> None:
    asked = request(tiny_gpt2_dir, chat=True)
    with pytest.raises(InputError, match="has no chat template"):
        engine.check(asked.spec())
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        with pytest.raises(InputError, match="has no chat template"):
            run_job(engine, store, asked)
        assert not store.unfinished_jobs()


def test_a_device_that_is_not_here_is_refused_before_a_job_is_written(
    tiny_gpt2_dir: Path, engine: InlineEngine, tmp_path: Path
) -> None:
    asked = request(tiny_gpt2_dir, device="cuda:99")
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        with pytest.raises(InputError, match=r"no device 'cuda:99' here: torch .* has cpu.*leave out --device"):
            run_job(engine, store, asked)
        assert not store.unfinished_jobs()


def test_another_device_is_another_result_and_the_cpu_is_what_it_was() -> None:
    plain = RunSpec(ModelRef("m"), (), ("heads",))
    hashes = [replace(plain, device=device).spec_hash for device in ("cpu", "cuda", "cuda:1", "mps")]
    assert len(set(hashes)) == 3
    assert hashes[1] == hashes[2]  # which of the cards stands in the capsule
    before_there_were_devices = "bd1bcf69963734a409cb3ba96a9e714efc65c9908b7c1dd627740f4a84fe39d6"
    assert hashes[0] == before_there_were_devices


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("model", ["tiny_gpt2_dir", "tiny_llama_dir"])
def test_every_measurement_works_in_half_precision(
    model: str, dtype: str, engine: InlineEngine, request: pytest.FixtureRequest
) -> None:
    analyses = tuple(name for name in registry.analyses() if name not in registry.PROBES)
    folder = request.getfixturevalue(model)
    spec = RunSpec(ModelRef(str(folder)), (), analyses, generation=GenerationParams(2))
    half = replace(spec, model=replace(spec.model, dtype=dtype))
    (exact,), (found,) = engine.run_batch(spec, [PROMPT]), engine.run_batch(half, [PROMPT])
    assert found.status is RunStatus.SUCCEEDED, found.error
    assert [part.reason for part in found.missing] == [part.reason for part in exact.missing]
    assert [(one.method, one.error) for one in found.attributions] == [
        (one.method, one.error) for one in exact.attributions
    ]
    assert found.capsule["dtype"] == dtype
    assert found.trace is not None
    assert exact.trace is not None
    np.testing.assert_allclose(found.trace.logprobs, exact.trace.logprobs, atol=0.1)


def test_a_stored_run_is_computed_again_as_it_was(chatty: Path, engine: InlineEngine, tmp_path: Path) -> None:
    asked = request(chatty, dtype="bfloat16", chat=True)
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        done = run_job(engine, store, asked)
        assert done.status is RunStatus.SUCCEEDED
        assert run_job(engine, store, asked).progress.cached == 2
        assert run_job(engine, store, replace(asked, chat=False)).progress.cached == 0
        assert run_job(engine, store, replace(asked, dtype="float32")).progress.cached == 0
        kept = JobRequest.from_json(store.job(done.job_id).spec).spec()
        detail = store.run(next(iter(store.find_results(engine.prepare(kept, 1).keys).values())))
    words = shlex.split(again_command(detail))
    assert words[words.index("--dtype") + 1] == "bfloat16"
    assert "--chat" in words
    assert "--device" not in words
    elsewhere = replace(detail, capsule={**detail.capsule, "device": "cuda:0"})
    assert " --device cuda:0 " in again_command(elsewhere)
    assert detail.row.text in {prompt.text for prompt in SET.prompts}
    for spec in (request_of(detail, str(chatty))[0], again_request(detail, Explained(None, None)).spec()):
        assert (spec.model.dtype, spec.chat, spec.device) == ("bfloat16", True, "cpu")
    for spec in (request_of(elsewhere, str(chatty))[0], again_request(elsewhere, Explained(None, None)).spec()):
        assert spec.device == "cuda:0"


def test_a_stored_run_keeps_the_partner_it_was_compared_with(
    chatty: Path, engine: InlineEngine, tmp_path: Path
) -> None:
    pair = (Prompt("a", "The sky is", pair_id="1"), Prompt("b", "The sea is", pair_id="1"))
    asked = JobRequest("e", str(chatty), replace(SET, prompts=pair), ("relp",))
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        run_job(engine, store, asked)
        assert run_job(engine, store, asked).progress.cached == 2
        alone = replace(asked, prompt_set=replace(asked.prompt_set, prompts=pair[:1], sha256="1" * 64, version="2"))
        assert run_job(engine, store, alone).progress.cached == 0
        keys = engine.prepare(asked.spec(), 1).keys
        detail = store.run(store.find_results(keys)[keys[0]])
    spec, prompt = request_of(detail, str(chatty))
    assert prompt.counterfactual == pair[1].text
    (again,) = engine.run_batch(spec, [prompt])
    np.testing.assert_allclose(again.attributions[0].scores, detail.attributions[0].scores, atol=1e-5)
    assert json.loads(shlex.split(again_command(detail))[2])["counterfactual"] == pair[1].text
    assert again_request(detail, Explained(None, None)).spec().prompts[0].counterfactual == pair[1].text


def test_probes_ask_the_model_in_the_template_too(chatty: Path, engine: InlineEngine) -> None:
    probes = ("self_consistency", "harmless_edits")
    params = {"self_consistency": {"samples": 2, "max_new_tokens": 3}}
    chat = RunSpec(ModelRef(str(chatty)), (), ("heads", *probes), params=params, chat=True)
    (found,) = engine.run_batch(chat, [PROMPT])
    (typed,) = engine.run_batch(replace(chat, chat=False), [replace(PROMPT, text=TEMPLATED)])
    asked = {finding.probe: finding for finding in found.findings if isinstance(finding, ProbeResult)}
    written = {finding.probe: finding for finding in typed.findings if isinstance(finding, ProbeResult)}
    assert set(asked) == set(written) == set(probes)
    assert asked["self_consistency"].evidence == written["self_consistency"].evidence
    edits = asked["harmless_edits"].evidence["edits"]
    assert edits
    results = engine.run_batch(replace(chat, analyses=()), [Prompt(edit["edit"], edit["text"]) for edit in edits])
    assert [edit["after"] for edit in edits] == [one.trace.topk_texts[-1][0] for one in results if one.trace]
    (plain,) = engine.run_batch(replace(chat, chat=False, analyses=("harmless_edits",), params={}), [PROMPT])
    (without,) = (one for one in plain.findings if isinstance(one, ProbeResult))
    distances = [[edit["distance"] for edit in kind] for kind in (edits, without.evidence["edits"])]
    assert distances[0] != distances[1]


def test_the_command_line_passes_them_on(chatty: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("The sky is\n")
    words = ["run", "--prompts", str(tmp_path / "p.txt"), "--model", str(chatty), "--store", str(tmp_path / "s.duckdb")]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        done = CliRunner().invoke(app, [*words, "--dtype", "float16", "--chat", "--start-token", "--device", "cpu"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert done.exit_code == 0, done.output
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        (newest,) = store.overview(1).recent_runs
        detail = store.run(newest.id)
    asked = [detail.capsule[name] for name in ("dtype", "chat", "start_token")]
    assert asked == ["float16", True, True]
    assert detail.trace is not None
    assert (detail.row.text, detail.trace.tokens.text) == ("The sky is", TEMPLATED)


def test_interventions_go_with_the_job_and_the_run(chatty: Path, engine: InlineEngine, tmp_path: Path) -> None:
    codes = ("head:1.2:zero", "mlp:0:scale:0.5")
    asked = JobRequest.from_json(json.loads(json.dumps(request(chatty, interventions=codes).to_json())))
    assert asked == request(chatty, interventions=codes)
    for wrong, says in (
        ((1,), "must be text"),
        (("mlp:0:patch",), "a run is of one"),
        (("mlp",), "is no intervention"),
    ):
        with pytest.raises(InputError, match=says):
            request(chatty, interventions=wrong)
    with Store.open(str(tmp_path / "changed.duckdb")) as store:
        run_job(engine, store, asked)
        detail = store.run(store.runs_page(RunFilter()).rows[0].id)
    spec, _ = request_of(detail, str(chatty))
    assert spec.interventions == codes
    assert again_request(detail, Explained(None, None)).interventions == codes
    words = shlex.split(again_command(detail))
    assert [words[i + 1] for i, word in enumerate(words) if word == "--intervene"] == list(codes)
    assert "head:1.2:zero, mlp:0:scale:0.5" in str(header(detail, None, None))
