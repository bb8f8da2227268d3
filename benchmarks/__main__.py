"""`python -m benchmarks [NAME ...]`: run all benchmarks, or those named, one after another."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if not path.stem.startswith("_") and path.stem not in {"harness", "peers"}
)


def main() -> None:
    chosen = sys.argv[1:] or NAMES
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"unknown benchmark {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    for name in chosen:
        print(f"== {name}", flush=True)
        sys.argv = [name]  # a benchmark's own options are for `python -m benchmarks.NAME`
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
