"""The Runs page, opened, and what it says of its rows."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter

ROW = ".ag-center-cols-container .ag-row"
COUNT = "#runs-count"


def open_runs(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/runs{query}")
    expect(page.locator(f"{ROW} .hs-status").first).to_be_visible()


def total(store: Store, *conditions: Condition, search: str = "") -> int:
    return store.runs_page(RunFilter(conditions, search), limit=1).total


def shown(count: int, filtered: bool = True) -> str:
    one = count == 1
    return f"{count:,} run{'' if one else 's'}" + (f" match{'es' if one else ''}" if filtered else "")
