"""The command that computes a run again."""

from __future__ import annotations

import json
import shlex

from analysis.types import GenerationParams
from storage.rows import RunDetail


def again_command(detail: RunDetail) -> str:
    """A shell line that feeds this one prompt to `headscope run` with the same model, analyses and seed."""
    row = detail.row
    prompt = {"text": row.text} | {k: v for k, v in (("target", row.target), ("foil", row.foil)) if v is not None}
    words = ["headscope", "run", "--prompts", "-", "--model", row.model, "--analyses", ",".join(detail.analyses)]
    words += ["--experiment", row.experiment, "--seed", str(detail.seed)]
    if detail.continuation is not None:
        words += _generation(detail.continuation.params)
    for item in detail.attributions:
        words += _params(detail, item.method)
    return f"printf '%s\\n' {shlex.quote(json.dumps(prompt, ensure_ascii=False))} | {shlex.join(words)}"


def _generation(params: GenerationParams) -> list[str]:
    return [
        "--max-new-tokens", str(params.max_new_tokens),
        "--temperature", str(params.temperature),
        "--top-p", str(params.top_p),
    ]  # fmt: skip


def _params(detail: RunDetail, method: str) -> list[str]:
    """Parameters of a method that the request set, when the capsule kept them."""
    given = (detail.capsule.get("params") or {}).get(method) or {}
    return [word for name, value in given.items() for word in ("--param", f"{method}.{name}={value}")]
