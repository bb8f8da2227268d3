"""What every engine does. A new one subclasses this beside the two in test_engines.py and gives `engine`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.errors import BackendError, InputError, UnknownNameError
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, RunSpec, RunStatus
from headscope.analysis.types.findings import LoadedScorer
from headscope.analysis.types.interventions import Intervention, InterventionRequest
from headscope.analysis.types.judging import JudgeRequest
from headscope.analysis.types.live import LiveContinueRequest, LiveExplainRequest, LiveRequest
from headscope.analysis.types.patching import PatchRequest

PROMPTS = (Prompt("a", "the cat sat"), Prompt("empty", ""), Prompt("c", "the dog ran far away", target=" the"))


class EngineContract:
    """Tests that hold for every AnalysisEngine on a tiny model."""

    @pytest.fixture(scope="class")
    def engine(self) -> AnalysisEngine:
        raise NotImplementedError("a subclass gives the engine")

    @pytest.fixture(scope="class")
    def spec(self, tiny_gpt2_dir: Path) -> RunSpec:
        return RunSpec(ModelRef(str(tiny_gpt2_dir)), PROMPTS, ("heads", "saliency", "attention"))

    def test_a_request_is_planned_and_every_prompt_answered_in_order(
        self, engine: AnalysisEngine, spec: RunSpec
    ) -> None:
        prepared = engine.prepare(spec, 2)
        assert sorted(index for batch in prepared.batches for index in batch) == [0, 1, 2]
        assert len(set(prepared.keys)) == 3
        assert prepared.preflight.n_prompts == 3
        results = engine.run_batch(spec, PROMPTS)
        assert [result.prompt for result in results] == list(PROMPTS)
        assert [result.result_key for result in results] == list(prepared.keys)
        good, empty, other = results
        assert (good.status, empty.status, other.status) == (
            RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SUCCEEDED,
        )  # fmt: skip
        assert empty.error_kind == "empty"
        assert good.attention is not None
        assert good.attention.dtype == np.float16
        assert other.target is not None
        assert other.target.text == " the"

    def test_what_is_wrong_is_said_before_anything_is_loaded(self, engine: AnalysisEngine, spec: RunSpec) -> None:
        for changed, error, says in (
            ({"analyses": ("salienc",)}, UnknownNameError, "saliency"),
            ({"params": {"saliency": {"norm": "l3"}}}, InputError, "l1"),
            ({"model": ModelRef("no-such-model")}, BackendError, "no-such-model"),
            ({"model": ModelRef(spec.model.name, backend="nowhere")}, UnknownNameError, "hf_causal"),
        ):
            with pytest.raises(error, match=says):
                engine.check(replace(spec, **changed))  # type: ignore[arg-type]

    def test_typed_texts_are_answered_and_nothing_is_stored(self, engine: AnalysisEngine, tiny_gpt2_dir: Path) -> None:
        request = LiveRequest(str(tiny_gpt2_dir), "the cat sat")
        seen = engine.live(request)
        assert seen.attention.shape[-1] == len(seen.trace.tokens)
        part = engine.explain(LiveExplainRequest(request, "token", "mean", 0))
        assert np.isfinite(part.attribution.scores).any()
        assert (part.first, part.stop) == (0, part.n_units)
        written = engine.write_on(LiveContinueRequest(str(tiny_gpt2_dir), "the cat", GenerationParams(3)))
        assert 1 <= len(written.ids) <= 3

    def test_two_texts_are_patched(self, engine: AnalysisEngine, tiny_gpt2_dir: Path) -> None:
        found = engine.patch(PatchRequest(str(tiny_gpt2_dir), "the river ran", "the bread ran"))
        assert found.patched.shape == found.recovery.shape
        assert found.patched.shape[1] == len(found.clean)

    def test_a_typed_text_is_judged(self, engine: AnalysisEngine) -> None:
        found = engine.judge(JudgeRequest("linear", "Two women are idiots."))
        assert (found.classifier, found.found, found.evidence) == ("linear-toxicity-1", "women", {})
        (label,) = found.labels
        ((stored, *_),) = engine.score("linear", [("Two women are idiots.", None)])
        assert (label.label, label.score) == ("toxic", stored.score)
        by_group = {one.group: one.score for one in found.exchanged}
        ((other, *_),) = engine.score("linear", [("Two men are idiots.", None)])
        assert by_group["men"] == other.score
        with pytest.raises(UnknownNameError, match="minilm"):
            engine.judge(JudgeRequest("nothing", "the cat"))

    def test_a_text_is_read_with_a_head_off(self, engine: AnalysisEngine, tiny_gpt2_dir: Path) -> None:
        off = (Intervention("head", 1, "zero", head=2),)
        found = engine.intervene(InterventionRequest(str(tiny_gpt2_dir), "the river ran", interventions=off))
        assert found.before.logprob != found.after.logprob
        assert found.kl > 0
        off = (Intervention("head", 1, "zero", head=9),)
        with pytest.raises(InputError, match="no head 9"):
            engine.intervene(InterventionRequest(str(tiny_gpt2_dir), "the river ran", interventions=off))

    def test_stored_texts_are_scored(self, engine: AnalysisEngine) -> None:
        assert engine.scorer("linear") == LoadedScorer("linear-toxicity-1")
        both, alone = engine.score("linear", [("the cat sat", "you are an idiot"), ("the cat sat", None)])
        assert [(found.part, found.label) for found in both] == [("prompt", "toxic"), ("continuation", "toxic")]
        assert both[1].score > 0.5 > both[0].score == alone[0].score
        assert engine.scorer("sentiment") == LoadedScorer("vader-3.3.2")
        ((read,), (silent,)) = engine.score("sentiment", [("the cat sat", "you are an idiot"), ("the cat sat", None)])
        assert read.score < -0.3
        assert (silent.score != silent.score, silent.evidence["error"]) == (True, "this run has no continuation")
        with pytest.raises(UnknownNameError, match="minilm"):
            engine.score("nothing", [])
