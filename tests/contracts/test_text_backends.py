"""Models in this process, and one behind an API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from headscope.analysis.engines.model_cache import loader
from headscope.analysis.errors import NotApplicable, UnknownNameError
from headscope.analysis.interfaces import TextBackend
from headscope.analysis.registry import BACKENDS, BLACK_BOX
from headscope.analysis.types import GenerationParams
from tests.contracts.text_backend_contract import TEXTS, TextBackendContract

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend


class TestTinyGpt2(TextBackendContract):
    @pytest.fixture
    def backend(self, tiny_gpt2: HFCausalBackend) -> TextBackend:
        return tiny_gpt2


class TestTinyLlama(TextBackendContract):
    @pytest.fixture
    def backend(self, tiny_llama: HFCausalBackend) -> TextBackend:
        return tiny_llama


class TestApi(TextBackendContract):
    @pytest.fixture
    def backend(self, shallow_api: str, tmp_path: Path) -> TextBackend:
        from headscope.analysis.blackbox.budget import Budget
        from headscope.analysis.blackbox.client import Client, Endpoint

        made: TextBackend = BACKENDS[BLACK_BOX].load()(Client(Endpoint(shallow_api, "smol"), Budget(), tmp_path))
        return made


def test_an_api_without_log_probabilities_says_so(shallow_api: str, tmp_path: Path) -> None:
    from headscope.analysis.blackbox.backend import ApiBackend
    from headscope.analysis.blackbox.budget import Budget
    from headscope.analysis.blackbox.client import Client, Endpoint

    backend = ApiBackend(Client(Endpoint(shallow_api, "smol", candidates=0), Budget(), tmp_path))
    assert not backend.capabilities.logprobs
    texts = [backend.tokenize(TEXTS[0])]
    with pytest.raises(NotApplicable, match="tells no log-probabilities"):
        backend.next_tokens(texts, 3)
    (written,) = backend.generate(texts, GenerationParams(2))
    assert written.texts == (written.text,)
    assert np.isnan(written.logprobs).all()
    with pytest.raises(UnknownNameError, match="hf_causal, openai_compatible"):
        loader("another")
