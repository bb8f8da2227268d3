"""`headscope`, and `python -m headscope`."""

from __future__ import annotations

import atexit
import gc

from headscope.analysis.imports import importing


def main() -> None:
    """Entry point of the command: what ends with the process anyhow is not looked through before it ends."""
    with importing("headscope.cli"):
        from headscope.cli import main as command
    atexit.register(gc.freeze)
    command()


if __name__ == "__main__":
    main()
