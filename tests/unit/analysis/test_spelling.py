"""Spaces after a prompt and before a target: who is warned, who is not, and what is offered instead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from headscope.analysis.running import runner
from headscope.analysis.spelling import spelling, summary
from headscope.analysis.types import Prompt, RunSpec, RunStatus
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.pages.patching.view import form
from headscope.dashboard.services import ModelListing
from headscope.datasets import prompt_sets
from headscope.datasets.loaders import load_file
from tests.cli import headscope


@pytest.mark.parametrize(
    ("text", "target", "foil", "likelier"),
    [
        ("The capital of France is ", " Paris", None, {"text": "The capital of France is"}),
        ("The capital of France is\t", None, None, {"text": "The capital of France is"}),
        ("The capital of France is", "Paris", None, {"target": " Paris"}),
        ("The capital of France is", " Paris", "London", {"foil": " London"}),
        ("La capitale est\u00a0", "Paris", None, {"text": "La capitale est"}),
        ("Η πόλη είναι η", "Αθήνα", None, {"target": " Αθήνα"}),
        ('She "thinks"', "so", None, {"target": " so"}),
    ],
)
def test_what_is_easily_written_wrongly(
    text: str, target: str | None, foil: str | None, likelier: dict[str, str]
) -> None:
    found = spelling(text, target, foil)
    assert {one.field: one.likelier for one in found} == likelier
    meant = {"text": text, "target": target, "foil": foil} | likelier
    assert spelling(meant["text"], meant["target"], meant["foil"]) == () or "text" in likelier


@pytest.mark.parametrize(
    ("text", "target"),
    [("Q: who?\nA:\n", "Paris"), ("The capital is", " Paris"), ("Stop", "!"), ("首都は", "東京"), ("He said (", "so"),
     ('He said "', "Yes"), ("He said “", "Yes"), ("twenty-", "one"), ("", "Paris"), (" ", None), ("\n", None),
     ("x", "")],
)  # fmt: skip
def test_what_is_well_written(text: str, target: str | None) -> None:
    assert spelling(text, target) == ()


def test_a_file_of_prompts_is_told_by_count(tmp_path: Path) -> None:
    rows = [{"text": "The capital is ", "target": " Paris"}, {"text": "It is", "target": "cold", "foil": "hot"},
            {"text": "It is", "target": " cold"}]  # fmt: skip
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    heads = ["1 of 3 prompts end in a space", "1 of 3 targets do not start", "1 of 1 foils do not start"]
    assert [warning[: len(head)] for warning, head in zip(load_file(path).warnings, heads, strict=True)] == heads
    shown = headscope("datasets", "show", str(path)).stdout
    assert all(head in shown for head in heads)


def test_our_own_sets_are_well_written() -> None:
    for info in prompt_sets.list_sets():
        if info.name not in {"edge_cases", "demo", "evidence"}:
            prompts = prompt_sets.load(info.name).prompts
            assert summary((prompt.text, prompt.target, prompt.foil) for prompt in prompts) == (), info.name


def test_patching_offers_the_likelier_spelling_as_a_link() -> None:
    for meant, slip in (({"clean": "One two"}, {"clean": "One two "}), ({"corrupted": "One"}, {"corrupted": "One "}),
                        ({"target": " four"}, {"target": "four"}), ({"foil": " six"}, {"foil": "six"})):  # fmt: skip
        right = replace(PatchingQuery(clean="One two", corrupted="One", target=" four", component="mlp"), **meant)
        query = replace(right, **slip)
        shown = str(form(query, [ModelListing("tiny", "folder")], "tiny").to_plotly_json())
        assert f"href='/patching{right.to_query()}'" in shown
        assert "Write “" not in str(form(right, [ModelListing("tiny", "folder")], "tiny").to_plotly_json())


def test_a_foil_that_is_the_target_costs_that_prompt_its_attributions_only(tiny_gpt2: object) -> None:
    prompts = [Prompt("same", "One two", " three", " three"), Prompt("other", "One two four", " three", " five")]
    spec = RunSpec(tiny_gpt2.info.ref, (), ("heads", "saliency", "integrated_gradients", "receipts"))  # type: ignore[attr-defined]
    same, other = runner.run_batch(tiny_gpt2, spec, prompts)  # type: ignore[arg-type]
    assert (same.status, same.error, same.heads is not None) == (RunStatus.SUCCEEDED, None, True)
    assert same.target is not None
    assert (same.target.foil_text, same.target.foil_logprob, same.target.foil_rank) == (
        same.target.text, same.target.logprob, same.target.rank,
    )  # fmt: skip
    assert [item.method for item in same.attributions] == [item.method for item in other.attributions]
    assert all("same token" in (item.error or "") and not item.scores.size for item in same.attributions)
    assert all(item.error is None for item in other.attributions)
