"""The Run page, opened on a run of the seeded store."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunDetail, RunFilter, Sort


def first_run(store: Store, *conditions: Condition) -> RunDetail:
    return store.run(store.runs_page(RunFilter(conditions), (Sort("id"),), limit=1).rows[0].id)


def open_run(page: Page, server: str, run_id: str, query: str = "") -> None:
    page.goto(f"{server}/run?id={run_id}{query}")
    expect(page.locator(f"#run-root[data-ready='{run_id}']")).to_be_visible()


def at(page: Page, layer: int, head: int) -> None:
    expect(page.locator(f"#run-attention-slot[data-drawn='{layer}.{head}']")).to_be_visible()
