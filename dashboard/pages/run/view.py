"""The view model of a run: everything the browser draws itself, as plain JSON values."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from headscope.analysis.registry import BLACK_BOX
from headscope.dashboard import links
from headscope.dashboard.attention_cache import attention_artifact
from headscope.dashboard.head_stats import head_stats
from headscope.dashboard.pages.run.attributions import MethodView, method_views
from headscope.dashboard.pages.run.grids import GridView, grid_views
from headscope.dashboard.pages.run.lens import lens_view
from headscope.dashboard.pages.run.query import RunQuery, defaults
from headscope.dashboard.pages.run.sources import group_starts, of_continuation, sources_view
from headscope.dashboard.pages.run.tokens import TokenView, all_candidates, token_view
from headscope.dashboard.plain_json import plain
from headscope.storage.rows import ArtifactRow, RunDetail


def view_model(detail: RunDetail, query: RunQuery, previous: str | None, following: str | None) -> dict[str, Any]:
    """What `headscope_run.show` takes. Parts the run does not have are None."""
    state = asdict(query)
    del state["notes"], state["id"]
    trace, artifact = detail.trace, attention_artifact(detail)
    starts = group_starts(trace.tokens, detail.continuation, detail.attributions) if trace else {}
    return {
        "id": detail.row.id,
        "model": detail.row.model,
        "state": state,
        "defaults": defaults(),
        "previous": links.run(previous) if previous else None,
        "next": links.run(following) if following else None,
        "compare": links.compare((detail.row.id,)),
        "tokens": _tokens(token_view(trace, detail.attributions)) if trace else None,
        "candidates": plain(all_candidates(trace, detail.target)) if trace else None,
        "target": plain(detail.target),
        "explains": _explains(detail),
        "lens": plain(lens_view(detail.lens, trace)) if detail.lens and trace else None,
        "attributions": [_method(view) for view in method_views(detail.attributions, starts)],
        "arrays": links.run_file(detail.row.id, "attributions.safetensors"),
        "sources": _sources(detail),
        "grids": plain(grids(detail)),
        "n_layers": detail.model.n_layers,
        "heads": plain(head_stats(detail.heads)) if detail.heads else {},
        "attention": _attention(detail, artifact) if artifact and not artifact.lost and trace else None,
    }


def grids(detail: RunDetail) -> tuple[GridView, ...]:
    """Layer maps and grids of heads and components of a run."""
    return grid_views(detail.attributions, detail.model.n_layers, detail.heads)


def _explains(detail: RunDetail) -> dict[str, str] | None:
    """Which quantity, of what; None of a model behind an API, which explains its answer."""
    if detail.model.ref.backend == BLACK_BOX:
        return None
    given = detail.capsule
    return {"quantity": given.get("quantity", "logprob"), "explain": given.get("explain", "next")}


def _sources(detail: RunDetail) -> dict[str, Any] | None:
    if detail.trace is None or detail.continuation is None or not of_continuation(detail.attributions):
        return None
    found: dict[str, Any] = plain(sources_view(detail.trace.tokens, detail.continuation))
    return found


def _tokens(view: TokenView) -> dict[str, Any]:
    """Chips without their scores, which the methods bring along."""
    found: dict[str, Any] = plain(view)
    for chip in (*found["tokens"], *found["words"], *found["sentences"]):
        del chip["scores"]
    return found


def _method(view: MethodView) -> dict[str, Any]:
    """Scores of a prompt as the shortest numbers that are still the float32 values; a continuation's come binary."""
    none = np.empty(0, dtype=np.float32)
    names = ("scores", "words", "sentences", "errors", "word_errors", "sentence_errors")
    bare: dict[str, Any] = dict.fromkeys(names, none)
    found: dict[str, Any] = plain(replace(view, **bare))
    for name in names:
        values = getattr(view, name)
        if values.ndim == 1:
            found[name] = [float(str(v)) if math.isfinite(v) else None for v in values]
    return found


def _attention(detail: RunDetail, artifact: ArtifactRow) -> dict[str, Any]:
    return {
        "url": links.run_file(detail.row.id, "attention"),
        "shape": list(artifact.shape),
    }
