"""Pictures of every page: `python -m tests.browser.screenshots URL OUTDIR`, at 1440, 900 and 390 px, light and dark.

The pages of a run and of a comparison show the newest succeeded runs of the store behind URL.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.install import find

WIDTHS = (1440, 900, 390)
THEMES = ("light", "dark")
SETTLE_MS = 2500


def pages(url: str) -> dict[str, str]:
    """Name and path of every page; run and compare only when there are runs."""
    found = {
        "overview": "/",
        "runs": "/runs",
        "runs-filtered": "/runs?status=failed",
        "live": "/live?text=The+capital+of",
        "methods": "/methods",
        "heads": "/heads",
        "patching": "/patching",
        "patching-map": "/patching?clean=The+capital+of+France+is&corrupted=The+capital+of+Italy+is",
    }
    with urllib.request.urlopen(f"{url}/api/v1/runs/export.json?status=succeeded") as response:
        runs = [row["id"] for row in json.load(response)]
    if runs:
        found["run"] = f"/run?id={runs[-1]}"
        found["compare"] = f"/compare?a={runs[-1]}&b={runs[max(-2, -len(runs))]}"
        found["compare-many"] = f"{found['compare']}&more={','.join(runs[-8:-2])}"
    return found


def take(browser: Browser, url: str, folder: Path) -> None:
    """One file per page, width and theme: `runs-1440-dark.png`."""
    for theme in THEMES:
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
            )
            page = context.new_page()
            for name, path in pages(url).items():
                page.goto(url + path)
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(SETTLE_MS)
                target = folder / f"{name}-{width}-{theme}.png"
                page.screenshot(path=target, full_page=True)
                print(target)
            context.close()


def main() -> None:
    """Command line."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m tests.browser.screenshots URL OUTDIR")
    url, folder = sys.argv[1].rstrip("/"), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find(), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        take(browser, url, folder)
        browser.close()


if __name__ == "__main__":
    main()
