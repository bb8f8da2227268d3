"""The embedded model's cache: whole or absent, checked, rebuilt when damaged, built once by processes that race."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.errors import BackendError
from headscope.analysis.models import embedded
from headscope.analysis.models.embedded import damage, manifest_sha256, materialise, sha256_of
from headscope.analysis.models.fingerprints import weights_sha256


def build(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights" * 100)
    (folder / "config.json").write_text("{}")


def forbidden(folder: Path) -> None:
    raise AssertionError(f"{folder} was built again")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return materialise(tmp_path / "cache" / "model", build, lambda _: None)


def test_built_once_with_checksums(folder: Path, tmp_path: Path) -> None:
    assert damage(folder) is None
    assert materialise(folder, forbidden, pytest.fail) == folder
    assert manifest_sha256(folder, "model.safetensors") == sha256_of(folder / "model.safetensors")
    assert manifest_sha256(folder, "other") is None
    tuned = shutil.copytree(folder, tmp_path / "tuned") / "model.safetensors"
    tuned.write_bytes(tuned.read_bytes()[:-1] + b"\1")
    assert weights_sha256(tuned.parent) == sha256_of(tuned)  # not what the record of the original says
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "model.lock"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"weights"), "7 bytes instead of 700"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"weighty" * 100), "checksum .* is wrong"),
        (lambda folder: (folder / "config.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "headscope.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "headscope.json").unlink(), "cannot be read"),
    ],
)
def test_damage_is_noticed_said_and_repaired(folder: Path, harm: object, said: str) -> None:
    time.sleep(0.01)  # so that the time of the file differs on a coarse clock
    harm(folder)  # type: ignore[operator]
    messages: list[str] = []
    materialise(folder, build, messages.append)
    assert len(messages) == 1
    assert re.search(said, messages[0])
    assert damage(folder) is None
    assert (folder / "model.safetensors").read_bytes() == b"weights" * 100


def test_copied_cache_is_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert damage(folder) is None
    monkeypatch.setattr(embedded, "sha256_of", lambda path: pytest.fail(f"{path} was hashed again"))
    assert damage(folder) is None


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise RuntimeError("power cut")

    target = tmp_path / "cache" / "model"
    with pytest.raises(RuntimeError):
        materialise(target, fail, lambda _: None)
    assert [path.name for path in target.parent.iterdir()] == ["model.lock"]
    (target.parent / ".model.abandoned").mkdir()  # what a kill -9 leaves
    materialise(target, build, lambda _: None)
    assert sorted(path.name for path in target.parent.iterdir()) == ["model", "model.lock"]


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match="HEADSCOPE_CACHE_DIR"):
        materialise(tmp_path / "file" / "model", build, lambda _: None)


def _race(target: Path, log: Path, barrier: object) -> None:
    def slow(folder: Path) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        build(folder)

    barrier.wait()  # type: ignore[attr-defined]
    materialise(target, slow, lambda _: None)
    assert damage(target) is None


def test_processes_that_start_together_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    arguments = (tmp_path / "cache" / "model", tmp_path / "log", barrier)
    processes = [context.Process(target=_race, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len((tmp_path / "log").read_text().split()) == 1


def test_converted_gguf_is_the_same_model(tmp_path: Path, tiny_llama_dir: Path) -> None:
    """A GGUF written from the tiny Llama as llama.cpp would, converted back: the same weights and config."""
    from safetensors.numpy import load_file

    original = load_file(tiny_llama_dir / "model.safetensors")
    source = tmp_path / "tiny.gguf"
    _write_gguf(source, original)
    embedded.convert(source, tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert set(found) == set(original) - {"lm_head.weight"}  # this converter is for tied embeddings
    for name, values in found.items():
        assert np.array_equal(values, original[name]), name


def _write_gguf(path: Path, weights: dict[str, np.ndarray]) -> None:
    from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map

    writer = GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(4)
    writer.add_token_list(["<|end|>", "a", "b", "ab"])
    writer.add_token_types([3, 1, 1, 1])
    writer.add_token_merges(["a b"])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id, writer.add_unk_token_id):
        add(0)
    writer.add_chat_template("{{ messages }}")
    heads = {"attn_q": 4, "attn_k": 2}
    theirs = get_tensor_name_map(MODEL_ARCH.LLAMA, 3)
    for name, values in weights.items():
        if name == "lm_head.weight":
            continue
        ours = theirs.get_name(name, try_suffixes=(".weight",))
        assert ours is not None
        kind = ours.split(".")[-2]
        stored = _permuted(values, heads[kind]) if kind in heads else values
        writer.add_tensor(ours, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _permuted(values: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's own converter does to query and key weights."""
    pairs = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)
