"""What user SQL is promised on every database. A subclass stands in a module whose `url` has a table `x` with columns
`a` (0 to 24,999) and `c`."""

from __future__ import annotations

from headscope.storage.sql import readonly


class ReadOnlyContract:
    """Tests that hold on every database."""

    def test_the_row_limit_is_exact_and_said(self, url: str) -> None:
        cut = readonly.run(url, "SELECT a FROM x ORDER BY a", limit=10_001)
        assert (cut.truncated, cut.table["a"].to_pylist()) == (True, list(range(10_001)))
        whole = readonly.run(url, "SELECT a FROM x", limit=25_000)
        assert (whole.truncated, len(whole.table)) == (False, 25_000)
        assert readonly.run(url, "SELECT a, c FROM x WHERE a < 0").table.column_names == ["a", "c"]
