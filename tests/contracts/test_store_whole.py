"""Damage is found, and several threads at once do none, on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.errors import StorageError
from headscope.analysis.types import Prompt
from headscope.storage.rows import RunFilter, Sort
from tests.at_once import at_once
from tests.factories import (
    make_attention,
    make_info,
    make_prompt,
    make_result,
    make_set,
)
from tests.filled_store import Filled, OnEachDatabase


class TestWhole(OnEachDatabase):
    def test_missing_and_damaged_artifacts_are_said(self, filled: Filled, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        results = [
            dataclasses.replace(make_result(make_prompt(f"p{i}"), seed=i), attention=make_attention((2, 2), 6, rng))
            for i in range(2)
        ]
        missing, damaged = filled.save(*results)
        folder = tmp_path / "artifacts"
        (folder / filled.store.run(missing).artifacts[0].key).unlink()
        path = folder / filled.store.run(damaged).artifacts[0].key
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
        with pytest.raises(StorageError, match="its file is lost"):
            filled.store.attention(missing)
        with pytest.raises(StorageError, match="damaged"):
            filled.store.attention(damaged)
        problems = filled.store.check()
        assert len(problems) == 2
        assert any(missing in line for line in problems)
        assert any("checksum" in line for line in problems)

    def test_check_finds_nothing_where_nothing_is_damaged(self, filled: Filled) -> None:
        filled.save(make_result(evidence=True))
        assert filled.store.check() == []

    @pytest.mark.parametrize(
        ("damage", "expected"),
        [
            ("DELETE FROM token_traces", "has no token trace"),
            ("DELETE FROM run_details", "has no details"),
            ("DELETE FROM experiments", "which is not in experiments"),
            ("DELETE FROM capsules", "which is not in capsules"),
            ("DELETE FROM runs", "attributions: rows of run"),
            ("UPDATE head_summaries SET n_heads = n_heads + 1", "head_summaries.induction"),
            ("UPDATE token_traces SET n_candidates = 3", "token_traces.candidate_ids"),
            ("UPDATE layer_summaries SET n_positions = 3", "layer_summaries.residual_norms"),
            ("UPDATE attributions SET shape = ARRAY[2, 2]", "its shape says 4"),
            ("UPDATE attributions SET layer_shape = ARRAY[2, 2]", "attributions.layer_scores"),
            ("UPDATE attribution_heads SET n_heads = 7", "attribution_heads.scores"),
            ("UPDATE attribution_receipts SET deletion = ARRAY[1.0]", "has 1 element for 3 fractions"),
            ("DELETE FROM runs", "attribution_receipts: rows of run"),
            ("UPDATE removal_curves SET recency_deletion = ARRAY[1.0]", "removal_curves.recency_deletion of run"),
            ("DELETE FROM attribution_receipts", "under newline belong to no receipt"),
            ("DELETE FROM runs", "removal_curves: rows of run"),
            ("UPDATE run_facets SET model = 'other'", "other values than its row of run_facets"),
        ],
    )
    def test_check_finds_damage(self, filled: Filled, damage: str, expected: str) -> None:
        filled.save(make_result(evidence=True))
        with filled.store.engine.begin() as connection:
            connection.exec_driver_sql(damage)
        assert any(expected in problem for problem in filled.store.check())

    def test_one_writer_and_twenty_readers(self, filled: Filled) -> None:
        """Every reader sees whole batches only, and counts that never go back."""
        batches, size, errors = 4, 3, []
        done = threading.Event()

        def read() -> None:
            seen = 0
            try:
                while not done.is_set():
                    page = filled.store.runs_page(RunFilter(), [Sort("text")], 0, 50)
                    assert page.total % size == 0
                    assert page.total >= seen
                    assert len(page.rows) == page.total
                    seen = page.total
                    for row in page.rows[:2]:
                        detail = filled.store.run(row.id)
                        assert detail.trace is not None
                        assert detail.row.text == detail.trace.tokens.text == row.text
                        assert len(detail.attributions) == 3
                    filled.store.facets(RunFilter(), ["status", "tags"])
                    time.sleep(0.05)
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(20)]
        for reader in readers:
            reader.start()
        job = filled.job(total=batches * size)
        everything = make_set(*(Prompt(f"p{i}", f"text {i}") for i in range(batches * size)))
        for batch in range(batches):
            prompts = everything.prompts[batch * size : (batch + 1) * size]
            results = [make_result(prompt, seed=batch) for prompt in prompts]
            filled.store.save(job, make_info(), everything, ["heads"], 0, results)
        done.set()
        for reader in readers:
            reader.join(60)
        assert errors == []
        assert filled.store.runs_page(RunFilter()).total == batches * size
        assert filled.store.check() == []

    def test_writers_of_one_store_wait_for_each_other(self, filled: Filled) -> None:
        def write(name: int) -> None:
            for index in range(3):
                prompt = make_prompt(f"{name}-{index}", f"text {name} {index}")
                filled.save(make_result(prompt, seed=name), experiment="shared")

        at_once(write, range(5))
        assert filled.store.runs_page(RunFilter()).total == 15
        assert len(filled.store.experiments()) == 1
