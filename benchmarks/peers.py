"""Other tools, each in an environment of its own that is made when first needed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headscope.analysis.models.fingerprints import cache_dir

INSEQ = "0.7.1"
TRANSFORMER_LENS = "4.3.0"


@dataclass(frozen=True, slots=True)
class Peer:
    """A waiting process of another tool, which answers a line with a line."""

    process: subprocess.Popen[str]

    def ask(self, *words: str) -> str:
        """One answer by the peer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()

    def close(self) -> None:
        """End the process."""
        self.process.kill()


class Inseq(Peer):
    """Inseq for one prompt and the text to explain after it."""

    def seconds(self, method: str, size: str = "all") -> float:
        """Of one attribution, its own (the pipe costs nothing beside them)."""
        return float(self.ask(method, size))


class TransformerLens(Peer):
    """TransformerLens for one pair of prompts."""

    def patched(self) -> dict[str, Any]:
        """`seconds` of its loop over layers and positions, and what it `patched`, `[layer, position]`."""
        found: dict[str, Any] = json.loads(self.ask("patch"))
        return found


def inseq_peer(folder: str, prompt: str, target: str, n_steps: int) -> Inseq | None:
    """An Inseq, or None (with the reason printed) when it cannot be installed or started."""
    process = _started("inseq", INSEQ, "benchmarks/_inseq_peer.py", [folder, prompt, target, str(n_steps)])
    return None if process is None else Inseq(process)


def lens_peer(folder: str, clean: str, corrupted: str, target: int, foil: int) -> TransformerLens | None:
    """A TransformerLens, or None as above."""
    arguments = [folder, clean, corrupted, str(target), str(foil)]
    process = _started("transformer-lens", TRANSFORMER_LENS, "benchmarks/_lens_peer.py", arguments)
    return None if process is None else TransformerLens(process)


def _started(package: str, version: str, script: str, arguments: Sequence[str]) -> subprocess.Popen[str] | None:
    home = cache_dir() / "peers" / f"{package}-{version}"
    python = home / "bin" / "python"
    torch_pin = f"torch=={torch.__version__.split('+')[0]}"
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the peer
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", f"{package}=={version}", torch_pin],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        process = subprocess.Popen(
            [str(python), script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            errors.seek(0)
            raise OSError(errors.read()[-500:])
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no comparison with {package}: {error}")
        return None
    return process
