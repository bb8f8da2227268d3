"""Takes the README's picture: `python docs/images/take.py URL`, of the first indirect-object run of a demo store."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

SETTLE_MS = 4000


def main() -> None:
    """Save `run.png` beside this file."""
    url = sys.argv[1]
    with urllib.request.urlopen(f"{url}/api/v1/runs/export.json?tag=indirect_object") as response:
        run = json.load(response)[0]["id"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1500})
        page.goto(f"{url}/run?id={run}")
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=Path(__file__).with_name("run.png"))
        browser.close()


if __name__ == "__main__":
    main()
