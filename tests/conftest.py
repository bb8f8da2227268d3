"""Fixtures every test folder may use. Models are loaded only by the tests that ask for them."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from _pytest.terminal import TerminalReporter

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend
    from tests.databases import DuckDBFiles, PostgresServer

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["HEADSCOPE_PROMPT_SETS"] = str(Path(__file__).parent / "none")  # not those of who runs the tests
sys.path.append(str(Path(__file__).parents[1]))  # for `tests` in processes of our own; last, so that it hides nothing


ROOM = 12 * 2**30
"""Bytes of free memory with which temporary files may lie there, beside browsers and models; contracts alone left 1 GB
when nothing was removed."""


def pytest_configure() -> None:
    """Temporary files lie in memory where there is much of it; who sets TMPDIR has them there, and keeps them. Late
    answers of pages have a seed."""
    from tests import dawdle, memory

    gc.disable()  # while modules are imported; pytest_collection_finish has it on again
    atexit.register(gc.freeze)  # what ends with the process is not looked through once more
    dawdle.seeded()
    folder = None if {"TMPDIR", "PYTEST_XDIST_WORKER"} & os.environ.keys() else memory.room_for(ROOM)
    if folder is not None:
        os.environ["TMPDIR"] = ours = tempfile.mkdtemp(prefix="headscope-tests-", dir=folder)
        tempfile.tempdir = None  # read anew
        # Gone with the process, so as not to fill the memory; after multiprocessing's own folder in it (priority -100).
        Finalize(None, shutil.rmtree, args=(ours,), kwargs={"ignore_errors": True}, exitpriority=-101)


def pytest_sessionstart(session: pytest.Session) -> None:
    """The seed of late answers, which gives the same again: also with -q, which leaves out the head of the report."""
    from tests import dawdle

    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (said := dawdle.seeded()) and reporter is not None:
        reporter.write_line(said)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests are marked, before `-m` chooses."""
    from tests import thorough

    thorough.mark(items)


def pytest_collection_finish() -> None:
    """What is imported by now stays; looking through it again and again for garbage is a tenth of what tests take, and
    looking through what modules of tests share at Python's own pace another twentieth."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 20)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """A test that passed at its second try only is work to do: its first failure is printed whole. The seed
    of late answers is named once more beside what failed."""
    from tests import dawdle

    if terminalreporter.stats.get("failed") and (said := dawdle.seeded()):
        terminalreporter.write_line(said)
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_line(f"FLAKY {report.nodeid}", yellow=True)
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(scope="session")
def tiny_gpt2_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny GPT-2: 3 layers, 4 heads, d 32, context 64."""
    from tests.tiny_models import build_tiny_gpt2

    return build_tiny_gpt2(tmp_path_factory.mktemp("models") / "tiny-gpt2")


@pytest.fixture(scope="session")
def tiny_llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Llama: 3 layers, 4 heads over 2 key-value heads, d 32, context 64, BOS token."""
    from tests.tiny_models import build_tiny_llama

    return build_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_gpt2(tiny_gpt2_dir: Path) -> HFCausalBackend:
    """The tiny GPT-2, loaded."""
    from headscope.analysis.backends.hf_causal import HFCausalBackend

    return HFCausalBackend.load(str(tiny_gpt2_dir))


@pytest.fixture(scope="session")
def tiny_llama(tiny_llama_dir: Path) -> HFCausalBackend:
    """The tiny Llama, loaded."""
    from headscope.analysis.backends.hf_causal import HFCausalBackend

    return HFCausalBackend.load(str(tiny_llama_dir))


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    """Each tiny model in turn."""
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def smollm2() -> HFCausalBackend:
    """The real embedded model (135M parameters); converted once per machine, so use it sparingly."""
    from headscope.analysis.backends.hf_causal import HFCausalBackend

    return HFCausalBackend.load("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def api() -> Iterator[str]:
    """Address of a real OpenAI-compatible server of the embedded model's own weights."""
    from tests.llama_server import embedded_gguf, llama_server

    with llama_server(embedded_gguf(), 1) as url:
        yield url


@pytest.fixture(scope="session")
def shallow_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same server with the model's first blocks only, for how answers are asked for, counted and kept: these are
    worth nothing, but come four times faster."""
    from tests.llama_server import embedded_gguf, llama_server
    from tests.shallow_gguf import write_shallow_gguf

    with llama_server(write_shallow_gguf(embedded_gguf(), tmp_path_factory.mktemp("gguf") / "shallow.gguf")) as url:
        yield url


@pytest.fixture(scope="session")
def duckdb_files(tmp_path_factory: pytest.TempPathFactory) -> DuckDBFiles:
    """Makes new DuckDB stores."""
    from tests.databases import DuckDBFiles

    return DuckDBFiles(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="session", autouse=True)
def one_thread_each() -> Iterator[None]:
    """Test processes share the cores: a DuckDB of theirs has one thread, for handing a few rows to another is a tenth
    of what tests of pages take. Commands in processes of their own have all."""
    from headscope.storage import session

    with mock.patch.object(session, "_cores", return_value=1):
        yield


@pytest.fixture(scope="module", autouse=True)
def copied_stores(request: pytest.FixtureRequest, duckdb_files: DuckDBFiles) -> Iterator[None]:
    """New DuckDB stores of this process are copies, but in modules marked `makes_stores`."""
    made = request.node.get_closest_marker("makes_stores")
    with contextlib.nullcontext() if made else duckdb_files.given():
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL; tests that need it are skipped, saying why, where it cannot start."""
    from tests import databases

    with databases.postgres_or_skip() as server:
        yield server


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The name of each database in turn."""
    name: str = request.param
    return name


@pytest.fixture
def store_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new store, on each database in turn."""
    with _new_store(database, request, tmp_path) as url:
        yield url


@pytest.fixture(scope="module")
def shared_store_url(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """One store for all tests of a module that only read, on each database in turn."""
    with _new_store(database, request, tmp_path_factory.mktemp("shared")) as url:
        yield url


def _new_store(database: str, request: pytest.FixtureRequest, folder: Path) -> contextlib.AbstractContextManager[str]:
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return server.new()
    files: DuckDBFiles = request.getfixturevalue("duckdb_files")
    return contextlib.nullcontext(files.new(folder))
