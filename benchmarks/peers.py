"""Other tools, each in an environment of its own that is made when first needed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass

import torch

from headscope.analysis.models.fingerprints import cache_dir

INSEQ = "0.7.1"


@dataclass(frozen=True, slots=True)
class Inseq:
    """A waiting inseq process for one prompt and the text to explain after it."""

    process: subprocess.Popen[str]

    def ask(self, method: str, size: str = "all") -> float:
        """One attribution by the peer; its own seconds (the pipe costs nothing beside them)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(method, size, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.kill()


def inseq_peer(folder: str, prompt: str, target: str, n_steps: int) -> Inseq | None:
    """An Inseq, or None (with the reason printed) when it cannot be installed or started."""
    home = cache_dir() / "peers" / f"inseq-{INSEQ}"
    python = home / "bin" / "python"
    torch_pin = f"torch=={torch.__version__.split('+')[0]}"
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the peer
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", f"inseq=={INSEQ}", torch_pin],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        process = subprocess.Popen(
            [str(python), "benchmarks/_inseq_peer.py", folder, prompt, target, str(n_steps)],
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
        print(f"no comparison with inseq: {error}")
        return None
    return Inseq(process)
