"""What every benchmark shares: the machine's description, interleaved timing, and the results file."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import psutil

S = TypeVar("S")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "captum", "shap", "duckdb", "sqlalchemy", "dash", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, load and versions: what a figure is worth without these nobody knows."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def interleaved(
    candidates: Mapping[str, Callable[[], Any]], repeats: int = 5, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of each candidate, taken in turn (A B C A B C ...) so that a drifting machine is fair to all."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(warmup + repeats):
        for name, call in candidates.items():
            gc.collect()
            started = time.perf_counter()
            call()
            if turn >= warmup:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def first_looks(
    opened: Callable[[], AbstractContextManager[S]], asked: Mapping[str, Callable[[S], Any]], repeats: int
) -> dict[str, dict[str, float]]:
    """`summary` of each question, taken in turn, every time of a store just opened and asked nothing before."""
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(repeats):
        for name, ask in asked.items():
            with opened() as store:
                started = time.perf_counter()
                ask(store)
                seconds[name].append(time.perf_counter() - started)
    return {name: summary(taken) for name, taken in seconds.items()}


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, fastest, p95 and count, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "median_ms": round(statistics.median(ordered) * 1e3, 2),
        "min_ms": round(ordered[0] * 1e3, 2),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] * 1e3, 2),
        "n": len(ordered),
    }


def beside(found: Mapping[str, dict[str, float]], bare: dict[str, float]) -> dict[str, dict[str, float]]:
    """What was taken beside counting the runs once, in the same minutes: `times_count` is of medians."""
    times = {
        name: {**one, "times_count": round(one["median_ms"] / bare["median_ms"], 1)} for name, one in found.items()
    }
    return {"count of the runs": bare, **times}


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median of the pairwise ratios: what drift of the machine cannot fake."""
    return round(statistics.median(a / b for a, b in zip(numerator, denominator, strict=True)), 3)


def write_result(name: str, data: Mapping[str, Any]) -> Path:
    """Print the result and keep it as `benchmarks/results/<name>.json` with the machine's description."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"benchmark": name, "when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), **data}
    path.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(data, indent=2))
    return path
