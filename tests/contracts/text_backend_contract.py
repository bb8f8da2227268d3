"""What every backend of texts does, and where it says that it cannot. A new one subclasses this beside those in
test_text_backends.py and gives `backend`."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.engines.model_cache import loader
from headscope.analysis.errors import InputError, NotApplicable
from headscope.analysis.interfaces import TextBackend
from headscope.analysis.registry import BACKENDS
from headscope.analysis.types import GenerationParams

TEXTS = ("The capital of France is", "One two  three,\nfour")


class TextBackendContract:
    """Tests that hold for every TextBackend."""

    @pytest.fixture
    def backend(self) -> TextBackend:
        raise NotImplementedError("a subclass gives the backend")

    def test_a_text_is_cut_continued_and_foretold(self, backend: TextBackend) -> None:
        texts = [backend.tokenize(text) for text in TEXTS]
        assert ["".join(text.texts) for text in texts] == list(TEXTS)
        assert all((text.ids >= 0).all() == backend.capabilities.tokens for text in texts)
        params = GenerationParams(max_new_tokens=4)
        greedy = backend.generate(texts, params)
        assert backend.capabilities.logprobs
        for written, likely in zip(greedy, backend.next_tokens(texts, 5), strict=True):
            assert written.params == params
            assert "".join(written.texts) == written.text
            assert 1 <= len(written.texts) == len(written.ids) == len(written.logprobs) <= 4
            assert (written.ids >= 0).all() == backend.capabilities.tokens
            logprobs = [value for _, value in likely]
            assert len(likely) == 5
            assert logprobs == sorted(logprobs, reverse=True)
            assert 0 < np.exp(logprobs).sum() <= 1 + 1e-5
            assert written.texts[0].strip() == likely[0][0].strip()  # greedy: the likeliest
            assert written.logprobs[0] == pytest.approx(logprobs[0], abs=0.05)
        assert [one.text for one in backend.generate(texts, GenerationParams(0))] == ["", ""]
        assert backend.generate([], params) == backend.next_tokens([], 5) == []

    def test_what_a_backend_lacks_it_says(self, backend: TextBackend) -> None:
        for text, kind in (("", "empty"), ("half \ud800", "not_utf8")):
            with pytest.raises(InputError) as refused:
                backend.tokenize(text)
            assert refused.value.kind == kind
        name = backend.info.ref.backend
        assert BACKENDS[name].load() is type(backend)
        assert backend.describe()
        seen = backend.capabilities
        assert (seen.attention, seen.heads, seen.sublayers, seen.tokens) == (not BACKENDS[name].remote,) * 4
        if BACKENDS[name].remote:
            assert seen.no_attention
            for asked in ({"chat": True}, {"start_token": True}):
                with pytest.raises(InputError):
                    backend.tokenize("a", **asked)
            with pytest.raises(NotApplicable, match="asked, not loaded: use `headscope blackbox`"):
                loader(name)
