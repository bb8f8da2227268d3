"""A part of a run that fails leaves the others, and its reason is stored and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa

from headscope.analysis.errors import BackendError, NotApplicable
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.running import runner
from headscope.analysis.running.parts import Tally
from headscope.analysis.types import GenerationParams, MissingPart, Prompt, PromptSet, RunResult, RunSpec, RunStatus
from headscope.dashboard.pages.run.cards import cards
from headscope.storage import schema
from headscope.storage.repository import Store
from tests.factories import make_attribution, make_result

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPTS = (Prompt("a", "The fox found a door"), Prompt("b", "One two three four five six"))
ASKED = ("heads", "layers", "logit_lens", "attention", "receipts", "saliency")
WHERE = {
    "heads": "headscope.analysis.measurements.heads.head_summaries",
    "receipts": "headscope.analysis.running.attributing.attach_receipts",
    "continuation": "headscope.analysis.backends.sampling.sample",
}


def explode(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the disk is on fire")


def test_layers_and_lens_too(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headscope.analysis.measurements.layers.layer_summaries", explode)
    monkeypatch.setattr("headscope.analysis.measurements.lens.lens_tables", explode)
    for result in run(tiny_gpt2):
        assert [part.part for part in result.missing] == ["layers", "logit_lens"]
        assert (result.layers, result.lens) == (None, None)
        assert result.heads is not None


def run(backend: HFCausalBackend, **other: Any) -> list[RunResult]:
    spec = RunSpec(backend.info.ref, (), ASKED, generation=GenerationParams(2), **other)
    return runner.run_batch(backend, spec, PROMPTS)


@pytest.mark.parametrize("part", WHERE)
def test_every_other_part_is_measured(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    assert tiny_gpt2._no_continuation == ""
    monkeypatch.setattr(WHERE[part], explode)
    for result in run(tiny_gpt2):
        assert result.status is RunStatus.SUCCEEDED
        assert result.missing == (MissingPart(part, "part", "RuntimeError: the disk is on fire"),)
        there = {
            "heads": result.heads,
            "layers": result.layers,
            "logit_lens": result.lens,
            "attention": result.attention,
            "continuation": result.continuation,
            "receipts": result.attributions[0].receipt,
        }
        assert {name for name, value in there.items() if value is None} == {part}
        assert result.attributions[0].error is None


def test_what_the_model_has_not_is_missing_from_the_batch_at_once(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(texts: Any, params: Any) -> Any:
        asked.append(len(texts))
        raise NotApplicable("no cache here")

    monkeypatch.setattr(tiny_gpt2, "generate", refuse)
    for result in run(tiny_gpt2, explain="continuation"):
        assert result.missing == (MissingPart("continuation", "not_applicable", "no cache here"),)
        assert result.attributions[0].error == "there is no continuation to explain: no cache here"
        assert result.heads is not None
    assert asked == [2]


def test_a_continuation_that_cannot_be_explained_is_there_all_the_same(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headscope.analysis.running.attributing.Continued", explode)
    for result in run(tiny_gpt2, explain="continuation"):
        assert result.continuation is not None
        assert result.missing == ()
        assert result.attributions[0].error == "RuntimeError: the disk is on fire"


def test_a_pass_that_keeps_too_much_fails_alone(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = tiny_gpt2.forward

    def choosy(batch: Any, capture: Any, **other: Any) -> Any:
        if capture.gradients or capture.attention:
            raise BackendError("no gradients here")
        return forward(batch, capture, **other)

    monkeypatch.setattr(tiny_gpt2, "forward", choosy)
    for result in run(tiny_gpt2):
        assert (result.status, result.attributions[0].error) == (RunStatus.SUCCEEDED, "no gradients here")
        assert {part.part for part in result.missing} == {"heads", "attention"}
        assert result.trace is not None
        assert result.lens is not None


def test_no_method_is_run_for_a_target_against_itself(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, attribute = [], Saliency.attribute

    def counted(method: Saliency, work: Any, targets: Any, params: Any) -> Any:
        asked.append(len(targets))
        return attribute(method, work, targets, params)

    monkeypatch.setattr(Saliency, "attribute", counted)
    same = Prompt("same", "The fox found a", target=" door", foil=" door")
    spec = RunSpec(tiny_gpt2.info.ref, (), ("heads", "saliency"))
    first, second, third = runner.run_batch(tiny_gpt2, spec, [PROMPTS[0], same, PROMPTS[1]])
    assert asked == [2]
    assert [one.attributions[0].error for one in (first, third)] == [None, None]
    assert "begin with the same token" in str(second.attributions[0].error)
    assert second.attributions[0].foil == second.attributions[0].target
    assert (second.status, second.heads is None) == (RunStatus.SUCCEEDED, False)
    assert second.target is not None
    assert second.target.foil_id == second.target.token_id


def lacking(*reasons: str) -> list[RunResult]:
    """A result for each reason, which is why its saliency is missing."""
    found = [make_attribution("saliency", np.empty(0), error=reason) for reason in reasons]
    return [replace(make_result(), attributions=(one,)) for one in found]


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (["a"], "from 1 prompt: a"),
        (["a", "a"], "from 2 prompts: a"),
        (["a", "b"], "from 2 prompts: 1 × a; 1 × b"),
        (["a", "b", "b", "c"], "from 4 prompts: 2 × b; 1 × a; 1 × c"),
        (["a", "b", "b", "c", "d", "e"], "from 6 prompts: 2 × b; 1 × a; 1 × c; 2 prompts for other reasons"),
        ([str(n) for n in range(200)], "from 200 prompts: 1 × 0; 1 × 1; 1 × 2; 197 prompts for other reasons"),
    ],
)
def test_every_reason_is_told_with_its_own_count(reasons: list[str], said: str) -> None:
    tally = Tally()
    for result in lacking(*reasons):
        tally.add([result])  # a batch of one
    assert tally.sentences() == (f"saliency is missing {said}",)


def test_the_reason_is_stored_shown_and_told(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any) -> Any:
        raise NotApplicable("it has none")

    monkeypatch.setattr(tiny_gpt2, "generate", refuse)
    blind = replace(tiny_gpt2.capabilities, attention=False, attention_layers=(), no_attention="it has none")
    monkeypatch.setattr(tiny_gpt2, "capabilities", blind)
    results = run(tiny_gpt2)
    tally = Tally()
    tally.add(results)
    assert tally.sentences() == ("heads, attention, continuation are missing from 2 prompts: it has none",)
    prompts = PromptSet("set", "1", "CC0-1.0", "test", "0" * 64, PROMPTS)
    with Store.open(f"duckdb:///{tmp_path / 'store.duckdb'}") as store:
        job = store.start_job(experiment="x", model="tiny", spec={}, total=2)
        saved = store.save(job, tiny_gpt2.info, prompts, ASKED, 0, results)
        detail = store.run(saved.run_ids[0])
        assert detail.missing == results[0].missing
        with store.engine.connect() as connection:
            rows = connection.execute(sa.select(schema.failures.c["analysis", "kind", "message"])).all()
    assert ("attention", "not_applicable", "it has none") in rows
    drawn = str(cards(detail))
    assert "Attention was not measured" in drawn
    assert "It has none." in drawn
    assert "Not continued: it has none." in drawn
    assert "--analyses attention" not in drawn
