"""The cache of arrays: bounded by bytes, oldest use first out, whole files, another process's view."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.running.tensor_cache import TensorCache

KIB = np.arange(256, dtype=np.float32)  # 1 KiB of numbers; a file also has a short header


def aged(folder: Path, key: str, seconds: int) -> None:
    os.utime(folder / f"{key}.safetensors", (seconds, seconds))


def test_what_was_put_comes_back_also_after_a_restart(tmp_path: Path) -> None:
    TensorCache(tmp_path, 1 << 20).put("aa", {"grid": KIB.reshape(16, 16), "ids": np.array([3, -1], dtype=np.int32)})
    found = TensorCache(tmp_path, 1 << 20).get("aa")
    assert found is not None
    np.testing.assert_array_equal(found["grid"], KIB.reshape(16, 16))
    assert found["ids"].dtype == np.int32
    assert TensorCache(tmp_path, 1 << 20).get("bb") is None


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = TensorCache(tmp_path, 3500)
    for age, key in enumerate(("aa", "bb", "cc")):
        cache.put(key, {"x": KIB})
        aged(tmp_path, key, 1000 + age)
    assert cache.get("aa") is not None  # used now: the newest
    cache.put("dd", {"x": KIB})
    assert cache.get("bb") is None
    assert all(cache.get(key) is not None for key in ("aa", "cc", "dd"))
    assert cache.n_bytes() <= 3500


def test_what_does_not_fit_is_not_kept_and_throws_nothing_out(tmp_path: Path) -> None:
    cache = TensorCache(tmp_path, 2000)
    cache.put("aa", {"x": KIB})
    cache.put("bb", {"x": np.zeros(4096, dtype=np.float32)})
    assert cache.get("bb") is None
    assert cache.get("aa") is not None


def test_a_damaged_file_is_a_miss_and_is_removed(tmp_path: Path) -> None:
    cache = TensorCache(tmp_path, 1 << 20)
    cache.put("aa", {"x": KIB})
    (tmp_path / "aa.safetensors").write_bytes(b"\x10\x00\x00")
    assert cache.get("aa") is None
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headscope.analysis.running.tensor_cache.os.replace", _full)
    cache = TensorCache(tmp_path, 1 << 20)
    cache.put("aa", {"x": KIB})
    assert cache.get("aa") is None
    assert list(tmp_path.iterdir()) == []


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
