"""What is needed to compute a result again."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.interfaces import TextBackend
from headscope.analysis.types import RunSpec

_GIT_SECONDS = 10


def capsule(backend: TextBackend, spec: RunSpec, batch_size: int) -> dict[str, Any]:
    """Weights and tokenizer hash, dtype, attention implementation, batch, seed, versions and git commit; plain JSON."""
    info = backend.info
    return {
        "model": info.ref.name,
        "revision": info.ref.revision,
        "backend": info.ref.backend,
        "weights_sha256": info.ref.weights_sha256,
        "tokenizer_sha256": info.tokenizer_sha256,
        "architecture": info.architecture,
        "batch_size": batch_size,
        "seed": spec.seed,
        "quantity": spec.quantity,
        "explain": spec.explain,
        "chat": spec.chat,
        "start_token": spec.start_token,
        **({"interventions": list(spec.interventions)} if spec.interventions else {}),
        "params": {name: dict(given) for name, given in spec.params.items() if given},
        "code_version": CODE_VERSION,
        "attention_layers": list(backend.capabilities.attention_layers),
        "notes": list(backend.capabilities.notes),
        **backend.describe(),
        **_software(),
    }


@lru_cache(maxsize=1)
def _software() -> dict[str, Any]:
    """Our own version, and the commit when the code runs from a checkout."""
    try:
        ours = version("headscope")
    except PackageNotFoundError:
        ours = None
    root = Path(__file__).resolve().parents[2]
    commit = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    changed = None if commit is None else bool(_git(root, "status", "--porcelain", "--untracked-files=no", "analysis"))
    return {"headscope": ours, "git_commit": commit, "git_changed": changed}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
