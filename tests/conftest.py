"""Fixtures every test folder may use. Models are loaded only by the tests that ask for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from analysis.backends.hf_causal import HFCausalBackend

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_gpt2_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny GPT-2: 3 layers, 4 heads, d 32, context 64."""
    from tiny_models import build_tiny_gpt2

    return build_tiny_gpt2(tmp_path_factory.mktemp("models") / "tiny-gpt2")


@pytest.fixture(scope="session")
def tiny_llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Llama: 3 layers, 4 heads over 2 key-value heads, d 32, context 64, BOS token."""
    from tiny_models import build_tiny_llama

    return build_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_gpt2(tiny_gpt2_dir: Path) -> HFCausalBackend:
    """The tiny GPT-2, loaded."""
    from analysis.backends.hf_causal import HFCausalBackend

    return HFCausalBackend.load(str(tiny_gpt2_dir))


@pytest.fixture(scope="session")
def tiny_llama(tiny_llama_dir: Path) -> HFCausalBackend:
    """The tiny Llama, loaded."""
    from analysis.backends.hf_causal import HFCausalBackend

    return HFCausalBackend.load(str(tiny_llama_dir))


@pytest.fixture(scope="session")
def smollm2() -> HFCausalBackend:
    """The real embedded model (135M parameters); converted once per machine, so use it sparingly."""
    from analysis.backends.hf_causal import HFCausalBackend

    return HFCausalBackend.load("smollm2-135m-instruct")
