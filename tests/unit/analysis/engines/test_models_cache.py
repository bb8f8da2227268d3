"""Loading: memory, damage, and the bounded cache of loaded models."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from headscope.analysis.backends import hf_causal
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.engines.model_cache import ModelCache
from headscope.analysis.errors import BackendError
from headscope.analysis.models import sources
from headscope.analysis.types import ModelRef


def test_memory_is_checked_before_loading(tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**6))
    monkeypatch.setattr(hf_causal, "load_folder", lambda *_: pytest.fail("loaded all the same"))
    with pytest.raises(BackendError, match=r"needs about 0.3 GB in float32 and 0.0 GB are free"):
        HFCausalBackend.load(str(tiny_gpt2_dir))


def test_weights_that_lack_a_tensor_are_refused(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny_gpt2_dir, tmp_path / "model"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.1.mlp.c_fc.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackendError, match=r"lack 1 tensor \(transformer.h.1.mlp.c_fc.weight\)"):
        HFCausalBackend.load(str(folder))


def test_code_in_a_folder_is_not_run(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    folder = Path(shutil.copytree(tiny_gpt2_dir, tmp_path / "model"))
    config = (folder / "config.json").read_text()
    auto = '"auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}, "model_type": "evil",'
    (folder / "config.json").write_text(config.replace("{", "{" + auto, 1).replace('"model_type": "gpt2"', '"x": 1'))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(BackendError, match="could not be loaded"):
        HFCausalBackend.load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_half_precision(tiny_gpt2_dir: Path) -> None:
    backend = HFCausalBackend.load(str(tiny_gpt2_dir), dtype="bfloat16")
    assert (backend.info.ref.dtype, next(backend.model.parameters()).element_size()) == ("bfloat16", 2)
    with pytest.raises(BackendError, match="unknown dtype 'int3'"):
        HFCausalBackend.load(str(tiny_gpt2_dir), dtype="int3")


def test_facts_of_a_loaded_model(tiny_llama: HFCausalBackend) -> None:
    info = tiny_llama.info
    assert (info.architecture, info.n_layers, info.d_model, info.vocab_size) == ("LlamaForCausalLM", 3, 32, 400)
    assert info.n_params == sum(p.numel() for p in tiny_llama.model.parameters())
    assert len(info.ref.weights_sha256) == len(info.tokenizer_sha256) == 64
    assert {"device", "dtype", "threads", "torch", "transformers"} <= set(tiny_llama.describe())


def test_cache_keeps_the_latest(tiny_gpt2_dir: Path, tiny_llama_dir: Path, tmp_path: Path) -> None:
    third = Path(shutil.copytree(tiny_gpt2_dir, tmp_path / "third"))
    cache = ModelCache(max_models=2)
    one, two = cache.get(ModelRef(str(tiny_gpt2_dir))), cache.get(ModelRef(str(tiny_llama_dir)))
    assert cache.get(ModelRef(str(tiny_gpt2_dir))) is one
    cache.get(ModelRef(str(third)))  # the Llama was used least recently
    assert len(cache) == 2
    assert cache.get(ModelRef(str(tiny_gpt2_dir))) is one
    assert cache.get(ModelRef(str(tiny_llama_dir))) is not two


def test_cache_is_bounded_by_bytes(tiny_gpt2_dir: Path, tiny_llama_dir: Path) -> None:
    cache = ModelCache(max_bytes=sources.memory_needed(tiny_gpt2_dir, "float32") + 1000)
    cache.get(ModelRef(str(tiny_gpt2_dir)))
    cache.get(ModelRef(str(tiny_llama_dir)))
    assert len(cache) == 1
    assert len(ModelCache(max_bytes=1)._loaded) == 0


def test_changed_weights_are_loaded_again(tiny_gpt2_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_gpt2_dir, tmp_path / "model"))
    cache = ModelCache()
    first = cache.get(ModelRef(str(folder)))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x3f")
    second = cache.get(ModelRef(str(folder)))
    assert second is not first
    assert second.info.ref.weights_sha256 != first.info.ref.weights_sha256
