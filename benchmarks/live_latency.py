"""From a key press to drawn attention on the Live page: the real server, the embedded model, a real browser.

A 16-token prompt grows and shrinks by one character; every time, the page itself says how long the model took, the way
there and back, and drawing, and when the picture stood (the pause that ends typing included). Then heads and layers are
switched, which asks no server. `KEYS=10` in the environment shortens it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright

from benchmarks.harness import summary, write_result
from tests.browser.install import find

KEYS = int(os.environ.get("KEYS", "40"))
MODEL = "smollm2-135m-instruct"
TEXT = "The captain told the engineer that the old engine would not start again today or tomorrow"
HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
GOAL_MS, OVERHEAD_GOAL_MS, SWITCH_GOAL_MS = 400, 80, 50
WATCH = """() => { const root = document.querySelector('#live-root'); delete root.dataset.drawn;
  window.drawn = new Promise((done) => { const seen = new MutationObserver(() => {
    if (root.dataset.drawn) { seen.disconnect(); done(true); } });
    seen.observe(root, {attributes: true, attributeFilter: ['data-drawn']}); }); return true; }"""
SWITCH = """([axis, size]) => { const page = headscope.live.page.attention, started = performance.now();
  page.set({[axis]: (page.state()[axis] + 1) % size});
  return new Promise((done) => requestAnimationFrame(() => done(performance.now() - started))); }"""


@contextmanager
def served(store: Path) -> Iterator[str]:
    """`headscope serve` on a free port; yields its address."""
    command = [HEADSCOPE, "serve", "--store", str(store), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
        else:
            raise RuntimeError("headscope serve ended before it said where it is")
    finally:
        process.terminate()
        process.wait(40)


def press(page: Page, key: str) -> dict[str, float]:
    """One key, and the page's own timing of what followed. The page tells when it is done: asking it again and again
    would make the browser paint, on the cores that the model needs."""
    page.evaluate(WATCH)
    page.keyboard.press(key)
    page.evaluate("window.drawn")
    timing: dict[str, float] = json.loads(page.evaluate("document.querySelector('#live-root').dataset.timing"))
    return timing


def measure(page: Page, url: str) -> dict[str, Any]:
    page.goto(f"{url}/live?model={MODEL}&text={quote(TEXT)}")
    page.wait_for_selector("#live-root[data-drawn]", timeout=120_000)
    tokens = page.evaluate("headscope.live.page.result.facts.tokens.length")
    layers, heads = page.evaluate("headscope.live.page.result.shape.slice(0, 2)")
    page.locator("#live-text").press("End")
    rows = [press(page, "Backspace" if turn % 2 else "s") for turn in range(KEYS + 2)][2:]
    parts = {name: summary([row[name] / 1e3 for row in rows]) for name in rows[0]}
    overhead = [(row["waited"] + row["transfer"] + row["draw"]) / 1e3 for row in rows]
    switches = {
        axis: summary([page.evaluate(SWITCH, [axis, size]) / 1e3 for _ in range(KEYS)])
        for axis, size in (("head", heads), ("layer", layers))
    }
    pause = page.evaluate("headscope.live.DEBOUNCE")
    return {"model": MODEL, "tokens": tokens, "debounce_ms": pause, "key_to_picture": parts["total"],
            "parts": {name: parts[name] for name in ("model", "waited", "transfer", "draw")},
            "overhead": summary(overhead), "switch": switches}  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "s.duckdb") as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find(), args=["--headless", "--no-sandbox", "--disable-gpu"])
        result = measure(browser.new_page(viewport={"width": 1440, "height": 900}), url)
        browser.close()
    goals = {
        "key_to_picture_ms": GOAL_MS, "overhead_ms": OVERHEAD_GOAL_MS, "switch_ms": SWITCH_GOAL_MS,
        "met": {
            "key_to_picture": result["key_to_picture"]["median_ms"] < GOAL_MS,
            "overhead": result["overhead"]["median_ms"] < OVERHEAD_GOAL_MS,
            "switch": all(axis["median_ms"] < SWITCH_GOAL_MS for axis in result["switch"].values()),
        },
    }  # fmt: skip
    write_result("live_latency", {**result, "goals": goals})


if __name__ == "__main__":
    main()
