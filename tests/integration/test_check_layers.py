"""Planted changes of a tiny model's weights: `headscope check` finds each and its layer, and none in a rerun."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headscope.analysis.statistics.first_layer import ATTENTION, MLP
from tests.cli import Done, headscope

WORDS = ("cat", "dog", "mat", "sat")
Change = Callable[[Any], object]


def eight_bits(weight: torch.Tensor) -> None:
    scale = weight.abs().max() / 127
    weight.copy_((weight / scale).round() * scale)


CHANGES: dict[str, tuple[int, str, Change]] = {
    "a head zeroed": (1, ATTENTION, lambda layer: layer.self_attn.o_proj.weight[:, :8].zero_()),
    "keys scaled": (2, ATTENTION, lambda layer: layer.self_attn.k_proj.weight.mul_(0.8)),
    "values in 8 bits": (0, ATTENTION, lambda layer: eight_bits(layer.self_attn.v_proj.weight)),
    "MLP scaled": (2, MLP, lambda layer: layer.mlp.down_proj.weight.mul_(1.01)),
    "norm scaled": (1, MLP, lambda layer: layer.post_attention_layernorm.weight.mul_(0.95)),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("layers")
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"text": f"the {a} {b} on the"}) + "\n" for a in WORDS for b in WORDS))
    path = folder / "layers.duckdb"
    run(path, "as it was", tiny_llama_dir, prompts)
    run(path, "again", tiny_llama_dir, prompts, "--batch-size", "3", "--fresh")
    run(path, "bare", tiny_llama_dir, prompts, analyses="heads")
    for name, (layer, _, change) in CHANGES.items():
        model = AutoModelForCausalLM.from_pretrained(tiny_llama_dir)
        with torch.no_grad():
            change(model.model.layers[layer])
        model.save_pretrained(folder / name)
        AutoTokenizer.from_pretrained(tiny_llama_dir).save_pretrained(folder / name)
        run(path, name, folder / name, prompts)
    return path


def run(store: Path, experiment: str, model: Path, prompts: Path, *more: str, analyses: str = "layers") -> None:
    done = headscope("run", "--prompts", str(prompts), "--model", str(model), "--experiment", experiment,
                     "--analyses", analyses, "--store", str(store), *more)  # fmt: skip
    assert done.returncode == 0, done.stderr


def check(store: Path, candidate: str, *more: str) -> Done:
    return headscope("check", "--baseline", "as it was", "--candidate", candidate, "--store", str(store),
                     "--fail-on", "states", *more)  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_planted_change_is_found_and_its_layer_named(store: Path, name: str) -> None:
    layer, part, _ = CHANGES[name]
    done = check(store, name, "--format", "json")
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    states = report["states"]
    assert (states["layer"], states["part"], states["differing"], states["n"]) == (layer, part, 16, 16)
    assert report["regressions"] == [f"states: 16 prompts, from layer {layer} on, 0 allowed"]


def test_a_rerun_in_other_batches_differs_in_no_layer(store: Path) -> None:
    done = check(store, "again")
    assert done.returncode == 0, done.stderr
    assert "No layer's states differ in the 16 prompts compared" in " ".join(done.stdout.split())


def test_states_that_were_not_stored_are_asked_for(store: Path) -> None:
    done = check(store, "bare")
    assert done.returncode == 1
    assert "nothing is known about states" in done.stderr
    assert "states the analysis layers" in done.stderr
