"""What `headscope check` lists is covered where it offends."""

from __future__ import annotations

from pathlib import Path

from headscope.analysis.statistics.regression import Comparison, Flip
from headscope.jobs.regression import covered
from headscope.storage.repository import Store
from tests import offensive_store
from tests.offensive_store import JUDGE, row


def test_offensive_texts_and_answers_are_covered(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "covered.duckdb")) as store:
        offensive_store.fill(store)
        rude, kind, blocked = (row(store, key) for key in ("cook-old", "cook-young", "blocked"))
        flips = tuple(
            Flip("answer", "manners", run.prompt_key, run.text, "was", "is", run.id, "no run", 1.0)
            for run in (rude, kind, blocked)
        )
        found = covered(Comparison((), flips[:1], flips[1:2], flips[2:], 3, 0, 0), store)
        ((broken,), (mended,), (failed,)) = found.broken, found.mended, found.failed
        assert broken.text == f"[covered: toxic 0.93 by {JUDGE}]"
        assert {broken.baseline, broken.candidate} == {f"[covered: toxic 0.80 by {JUDGE}]"}
        assert (mended.text, mended.baseline) == (kind.text, f"[covered: toxic 0.90 by {JUDGE}]")
        assert (failed.text, failed.baseline) == ("[covered: block by content filter]", "was")
        assert (found.n, broken.key, broken.baseline_run) == (3, rude.prompt_key, rude.id)
