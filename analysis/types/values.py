"""Arrays and words that every other type is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

Int32 = NDArray[np.int32]

Params = Mapping[str, Any]


class RunStatus(StrEnum):
    """Life of one prompt run, or of a job; `interrupted` is a job whose process is gone, and is never stored."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


def canonical_hash(value: Any) -> str:
    """sha256 (hex) of the JSON of `value` with sorted keys."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    ).hexdigest()
