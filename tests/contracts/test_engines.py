"""This process, and worker processes beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.engines.local import LocalEngine
from tests.contracts.engine_contract import EngineContract


class TestInlineEngine(EngineContract):
    @pytest.fixture(scope="class")
    def engine(self) -> AnalysisEngine:
        return InlineEngine()


class TestLocalEngine(EngineContract):
    @pytest.fixture(scope="class")
    def engine(self) -> Iterator[AnalysisEngine]:
        made = LocalEngine()
        yield made
        made.close()
