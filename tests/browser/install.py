"""Make sure there is a Chromium for the browser tests: the one that is there, else the system's package manager's.

The headless shell is the same engine without windows: it starts sooner and leaves the cores to the tests. Exits 0
either way and says what happened; without a browser the browser tests are skipped with that reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
RECIPES = (
    (
        "apt-get",
        [
            ["apt-get", "update", "-qq"],
            [
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "chromium-headless-shell",
                "fonts-noto-color-emoji",
                "fonts-dejavu-core",
            ],
        ],
    ),
    (
        "apt-get",
        [["apt-get", "install", "-y", "-qq", "chromium", "fonts-noto-color-emoji"]],
    ),
    ("dnf", [["dnf", "install", "-y", "-q", "chromium"]]),
    ("apk", [["apk", "add", "--quiet", "chromium"]]),
    ("pacman", [["pacman", "-S", "--noconfirm", "--quiet", "chromium"]]),
    ("brew", [["brew", "install", "--quiet", "--cask", "chromium"]]),
)


def find() -> str | None:
    """Path of a Chromium: $CHROMIUM, or one on the PATH."""
    asked = os.environ.get("CHROMIUM")
    return asked or next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> None:
    if browser := find():
        print(f"browser tests use {browser}")
        return
    for manager, commands in RECIPES:
        if not shutil.which(manager):
            continue
        sudo = ["sudo", "-n"] if hasattr(os, "geteuid") and os.geteuid() != 0 and manager != "brew" else []
        print(f"no Chromium found: installing one with {manager} ...", flush=True)
        try:
            for command in commands:
                subprocess.run(
                    [*sudo, *command],
                    check=True,
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    stdout=subprocess.DEVNULL,
                )
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"could not install a browser: {error}")
        if find():
            break
    missing = "NO BROWSER: the browser tests will be skipped. Install Chromium or set CHROMIUM=/path/to/it."
    print(f"browser tests use {find()}" if find() else missing)


if __name__ == "__main__":
    main()
