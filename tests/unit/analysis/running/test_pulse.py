"""Progress inside a batch: what the layers computed, against what was planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.engines.local import LocalEngine
from headscope.analysis.errors import Stopped
from headscope.analysis.running import pulse, runner
from headscope.analysis.types import Beat, ModelRef, Prompt, RunSpec, RunStatus

PROMPTS = (Prompt("a", "the cat sat on the mat"), Prompt("b", "the dog sat on the log"))


def hooks(backend: HFCausalBackend) -> list[int]:
    """How many there are at each layer; transformers has its own."""
    return [len(layer._forward_hooks) for layer in backend.structure.layers]


@pytest.fixture
def every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "SECONDS", 0.0)


def beats(backend: HFCausalBackend, *analyses: str) -> list[Beat]:
    heard: list[Beat] = []
    results = runner.run_batch(backend, RunSpec(backend.info.ref, (), analyses), PROMPTS, heard.append)
    assert [result.status for result in results] == [RunStatus.SUCCEEDED] * 2
    return heard


@pytest.mark.parametrize("analyses", [("heads",), ("saliency",), ("heads", "saliency", "input_x_gradient")])
@pytest.mark.usefixtures("every_layer")
def test_planned_passes_are_those_that_layers_count(tiny_gpt2: HFCausalBackend, analyses: tuple[str, ...]) -> None:
    heard = beats(tiny_gpt2, *analyses)
    shares = [beat.share for beat in heard]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert len({*shares}) > tiny_gpt2.info.n_layers - 1  # after every layer


@pytest.mark.usefixtures("every_layer")
def test_beats_say_which_part_is_at_work_and_go_on_within_it(tiny_llama: HFCausalBackend) -> None:
    before = hooks(tiny_llama)
    heard = beats(tiny_llama, "saliency", "integrated_gradients", "head_ablation", "repetition")
    stages = list(dict.fromkeys(beat.stage for beat in heard))
    assert stages == ["model", "Saliency", "Integrated gradients", "Head ablation", "probes"]
    within = [beat.share for beat in heard if beat.stage == "Integrated gradients"]
    assert len(set(within)) > 10
    assert all(0.0 < share <= 1.0 for share in within)
    assert hooks(tiny_llama) == before


@pytest.mark.parametrize("stage", ["model", "Integrated gradients", "probes"])
@pytest.mark.usefixtures("every_layer")
def test_a_batch_that_is_not_wanted_ends_at_once(tiny_gpt2: HFCausalBackend, stage: str) -> None:
    def stop(beat: Beat) -> None:
        if beat.stage == stage:
            raise Stopped

    spec = RunSpec(tiny_gpt2.info.ref, (), ("saliency", "integrated_gradients", "receipts", "repetition"))
    before = hooks(tiny_gpt2)
    with pytest.raises(Stopped):
        runner.run_batch(tiny_gpt2, spec, PROMPTS, stop)
    assert hooks(tiny_gpt2) == before


def test_workers_tell_of_themselves_and_are_free_again_when_stopped(tiny_gpt2_dir: Path) -> None:
    engine = LocalEngine()
    spec = RunSpec(ModelRef(str(tiny_gpt2_dir)), (), ("integrated_gradients",))
    heard: list[Beat] = []

    def stop(beat: Beat) -> None:
        heard.append(beat)
        raise Stopped

    try:
        with pytest.raises(Stopped):
            engine.run_batch(spec, PROMPTS, stop)
        assert len(heard) == 1
        results = engine.run_batch(spec, PROMPTS, heard.append)
        assert len(heard) > 1
        expected = InlineEngine().run_batch(spec, PROMPTS)
        for result, same in zip(results, expected, strict=True):
            assert result.attributions[0].scores.tolist() == pytest.approx(
                same.attributions[0].scores.tolist(), rel=1e-4, abs=1e-6, nan_ok=True
            )
    finally:
        engine.close()
