"""The Hugging Face hub, asked only when the user wants it; without torch. Every failure is one line."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from headscope.analysis.consent import given
from headscope.analysis.errors import BackendError

ALLOW_VARIABLE = "HEADSCOPE_ALLOW_HUB"
_TIMEOUT_S = 5.0
_PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "merges.txt", "tokenizer.model"]
_SKIP = ["*/*", "*.onnx", "*.msgpack", "*.h5", "*.tflite"]  # sub-folders hold exports for other programs


def allowed() -> bool:
    """Whether a model may be downloaded without `pull`: HEADSCOPE_ALLOW_HUB=1, and the hub not set offline."""
    return given(ALLOW_VARIABLE) and not _offline()


def cached(repo: str) -> Path | None:
    """Snapshot folder of `repo` in the hub's local cache, or None. Asks nobody."""
    return cached_models().get(repo)


def cached_models() -> dict[str, Path]:
    """Repository id -> snapshot folder of every model in the hub's local cache that has safetensors."""
    found = {}
    for folder in _cache_root().glob("models--*"):
        revision = folder / "refs" / "main"
        snapshots = [folder / "snapshots" / revision.read_text().strip()] if revision.is_file() else []
        snapshots += sorted(folder.glob("snapshots/*"))
        complete = [s for s in snapshots if (s / "config.json").is_file() and any(s.glob("*.safetensors"))]
        if complete:
            found[folder.name.removeprefix("models--").replace("--", "/", 1)] = complete[0]
    return found


def download(repo: str) -> tuple[Path, str]:
    """Snapshot folder and commit of `repo`, downloaded where needed.

    Raises BackendError in one line: the hub is off, not reachable, or does not have safetensors under that id.
    """
    if _offline():
        raise BackendError(f"the hub is switched off (HF_HUB_OFFLINE=1), so {repo} was not downloaded.")
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries are our one line
    try:
        info = HfApi().model_info(repo, timeout=_TIMEOUT_S)
        names = [sibling.rfilename for sibling in info.siblings or []]
        if not any(name.endswith(".safetensors") and "/" not in name for name in names):
            raise BackendError(f"{repo} on the hub has no safetensors weights; other formats are not read.")
        path = snapshot_download(
            repo, revision=info.sha, allow_patterns=_PATTERNS, ignore_patterns=_SKIP, etag_timeout=_TIMEOUT_S
        )
    except HFValidationError as error:
        raise BackendError(f"{repo!r} is not a Hugging Face id (owner/name).") from error
    except HfHubHTTPError as error:
        raise BackendError(f"the hub refused {repo}: {_one_line(error)}") from error
    except BackendError:
        raise
    except Exception as error:  # the network library under the hub's client has changed, and its errors with it
        raise BackendError(f"the hub could not be reached for {repo}: {_one_line(error)}") from error
    return Path(path), info.sha or ""


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def _cache_root() -> Path:
    explicit = os.environ.get("HF_HUB_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(home).expanduser() / "hub"
