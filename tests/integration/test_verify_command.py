"""`headscope verify`, `headscope run --fresh`, and the command of the Run page: what they compute again, and find."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from headscope.dashboard.pages.run.again import again_command
from headscope.storage import session
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter, RunRow
from tests.cli import Done, headscope

PROMPTS = (
    b'{"id": "a", "text": "the cat sat on the mat and the cat", "target": " sat", "foil": " ran"}\n'
    b'{"id": "b", "text": "the dog"}\n'
    b'{"id": "nul", "text": "the cat\\u0000sat"}\n'
    b'{"id": "empty", "text": ""}\n'
    b'{"id": "bytes", "text": "caf\xe9"}\n'
)
QUICK = "heads,layers,logit_lens,occlusion"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path) -> Path:
    """A store with everything, and its model."""
    return furnished(tmp_path_factory.mktemp("verify"), tiny_gpt2_dir, "standard,integrated_gradients,receipts")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path) -> Path:
    """One that is soon computed again."""
    return furnished(tmp_path_factory.mktemp("plain"), tiny_gpt2_dir)


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    """A store and its model, to be spoiled."""
    shutil.copytree(plain, tmp_path / "x")
    return tmp_path / "x"


def furnished(folder: Path, model: Path, analyses: str = QUICK) -> Path:
    shutil.copytree(model, folder / "model")
    (folder / "p.jsonl").write_bytes(PROMPTS)
    done = run(folder, "--experiment", "e", analyses=analyses)
    assert "2 succeeded, 3 failed" in done.stderr
    return folder


def run(folder: Path, *more: str, analyses: str = QUICK) -> Done:
    done = headscope(
        "run", "--prompts", str(folder / "p.jsonl"), "--model", str(folder / "model"), "--max-new-tokens", "3",
        "--analyses", analyses, "--store", str(folder / "s.duckdb"), *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def verify(folder: Path, what: str = "e") -> Done:
    return headscope("verify", what, "--store", str(folder / "s.duckdb"))


def rows(folder: Path) -> dict[str, RunRow]:
    with Store.open(str(folder / "s.duckdb")) as store:
        return {row.prompt_key: row for row in store.runs_page(RunFilter()).rows}


def change(folder: Path, statement: str) -> None:
    engine = session.open_engine(str(folder / "s.duckdb"))
    with engine.begin() as connection:
        assert connection.execute(sa.text(statement)).rowcount != 0
    engine.dispose()


def test_what_was_stored_is_what_is_computed(made: Path) -> None:
    done = verify(made)
    assert done.returncode == 0, done.stdout + done.stderr
    table = {line.split("  ")[0].strip() for line in done.stdout.splitlines()}
    assert {"trace", "target", "heads", "layers", "lens", "continuation", "attention", "attributions: occlusion",
            "attributions: integrated_gradients", "receipts: saliency", "status"} <= table  # fmt: skip
    assert "5 runs computed again; differing by more than 0.0001 + 0.001 of the largest" in done.stdout
    one = verify(made, rows(made)["a"].id)
    assert (one.returncode, "1 run computed again" in one.stdout) == (0, True)


@pytest.mark.parametrize(
    ("statement", "kind", "by"),
    [
        ("UPDATE head_summaries SET entropy = list_transform(entropy, x -> x + 0.25)", "heads", "0.25"),
        ("UPDATE attributions SET scores = list_transform(scores, x -> x + 0.5) WHERE method = 'occlusion'",
         "attributions: occlusion", "0.5"),
        ("UPDATE token_traces SET logprobs = list_transform(logprobs, x -> x * 1.01)", "trace", ""),
        ("UPDATE token_traces SET token_ids = list_transform(token_ids, x -> x + 1)", "trace", "1"),
        ("UPDATE layer_summaries SET lens_probs = list_transform(lens_probs, x -> 'nan'::FLOAT)", "lens", "inf"),
        ("UPDATE continuations SET text = 'another'", "continuation", ""),
        ("UPDATE runs SET status = 'failed', error_kind = 'empty' WHERE prompt_key = 'a'", "status", ""),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_its_size(folder: Path, statement: str, kind: str, by: str) -> None:
    change(folder, statement)
    done = verify(folder)
    assert done.returncode == 3, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("differs: ")]
    assert said
    assert all(f"  {kind}: {by}" in line for line in said), done.stdout


@contextlib.contextmanager
def away(model: Path) -> Iterator[None]:
    model.rename(model.with_name("away"))
    try:
        yield
    finally:
        if model.exists():
            shutil.rmtree(model)
        model.with_name("away").rename(model)


def test_what_cannot_be_computed_again_is_said(made: Path) -> None:
    with away(made / "model"):
        done = verify(made)
    assert done.returncode == 3
    assert "not computed again: 5 runs: model" in done.stdout
    assert "was not found" in done.stdout
    unknown = verify(made, "nothing of the sort")
    assert (unknown.returncode, "unknown run or experiment" in unknown.stderr) == (1, True)


def test_other_weights_at_the_same_place_are_not_taken_for_the_runs(made: Path, tiny_llama_dir: Path) -> None:
    with away(made / "model"):
        shutil.copytree(tiny_llama_dir, made / "model")
        done = verify(made)
    assert done.returncode == 3
    assert "are not those of the run" in done.stdout


def test_fresh_computes_what_the_store_has_and_keeps_the_run_where_it_was(folder: Path) -> None:
    before = rows(folder)
    change(folder, "UPDATE head_summaries SET entropy = list_transform(entropy, x -> x + 0.25)")
    assert "2 already there" in run(folder, "--experiment", "e").stderr
    assert verify(folder).returncode == 3
    assert "2 succeeded, 3 failed, 0 already there" in run(folder, "--experiment", "e", "--fresh").stderr
    assert verify(folder).returncode == 0
    after = rows(folder)
    assert {key: after[key].id for key in ("a", "b")} == {key: before[key].id for key in ("a", "b")}
    assert headscope("db", "check", "--store", str(folder / "s.duckdb")).stdout.strip() == "no problems found"


@pytest.mark.parametrize("key", ["nul", "bytes", "empty"])
def test_a_prompt_that_failed_fails_again_by_the_command_of_its_page(folder: Path, key: str) -> None:
    old = rows(folder)[key]
    with Store.open(str(folder / "s.duckdb")) as store:
        words = shlex.split(again_command(store.run(old.id)))
    pipe = words.index("|")
    done = headscope(*words[pipe + 2 :], "--store", str(folder / "s.duckdb"), stdin=words[pipe - 1] + "\n")
    assert "0 succeeded, 1 failed" in done.stderr
    (new,) = (row for row in rows(folder).values() if row.prompt_set == "stdin")
    assert (new.error_kind, new.error, new.text) == (old.error_kind, old.error, old.text)


def test_canonical_lines_come_back_as_they_were(made: Path) -> None:
    from headscope.datasets.canonical import canonical_line
    from headscope.datasets.loaders import load_file

    once = load_file(made / "p.jsonl")
    (made / "again.jsonl").write_text("".join(canonical_line(prompt) + "\n" for prompt in once.prompts))
    assert load_file(made / "again.jsonl").prompts == once.prompts
    assert json.loads(canonical_line(once.prompts[2]))["invalid"]
