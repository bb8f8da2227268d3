"""Attention for the browser: uint8 for drawing, exact numbers on request. And the grids of attributions, float32.

GET /api/v1/runs/<id>/attention.safetensors[?layer=l]      uint8, round(255 * sqrt(weight))
GET /api/v1/runs/<id>/attention/thumbnail.safetensors      max-pooled, every head
GET /api/v1/runs/<id>/attention/value?layer=&head=[&query=[&key=]]  exact stored weights, JSON
GET /api/v1/runs/<id>/attributions.safetensors             layer maps, heads, components, continuations
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flask import Blueprint, Flask, Response, request
from numpy.typing import NDArray
from safetensors.numpy import save

from headscope.analysis.errors import HeadscopeError, InputError
from headscope.dashboard.api.live_payload import sqrt_bytes
from headscope.dashboard.attention_cache import attention_artifact
from headscope.dashboard.missing import missing_reason
from headscope.dashboard.pages.run.grids import grid_arrays
from headscope.dashboard.pages.run.sources import group_starts
from headscope.dashboard.security import error_json
from headscope.dashboard.services import Services
from headscope.storage.rows import ArtifactRow, RunDetail

ENCODING = "uint8 sqrt: weight = (value / 255)^2"
MOST_WHOLE = 16 * 2**20
MOST_QUERIES = 256


class NoAttention(HeadscopeError):  # noqa: N818 - a missing thing, answered with 404
    """This run has no attention artifact."""


class Attention:
    """Stored attention of runs, or the reason why there is none."""

    def __init__(self, services: Services) -> None:
        self._store, self._cache = services.store, services.attention

    def artifact(self, run_id: str) -> ArtifactRow:
        """The artifact's row. Raises UnknownNameError (no such run) and NoAttention."""
        detail = self._store.run(run_id)
        if (artifact := attention_artifact(detail)) is not None:
            return artifact
        if (reason := missing_reason(detail, "attention")) is not None:
            raise NoAttention(f"this run has no attention: {reason}.")
        raise NoAttention(
            "this run kept no attention: analyse the prompt again with `--analyses attention` (or `all`) to see it."
        )

    def get(self, run_id: str, artifact: ArtifactRow) -> NDArray[np.float16]:
        """float16 `[layer, head, query, key]`. Raises NoAttention and StorageError."""
        weights = self._cache.get(run_id, artifact)
        if weights is None:
            raise NoAttention("this run's attention file is gone from the store.")
        return weights


def register(server: Flask, services: Services) -> None:
    """Add the routes."""
    routes = Blueprint("arrays_api", __name__, url_prefix="/api/v1/runs/<run_id>")
    cache = Attention(services)

    @routes.errorhandler(NoAttention)
    def missing(error: NoAttention) -> tuple[dict[str, Any], int]:
        return error_json(str(error), 404)

    @routes.get("/attention.safetensors")
    def attention(run_id: str) -> Response:
        artifact = cache.artifact(run_id)
        layer = request.args.get("layer")
        if layer is None and int(np.prod(artifact.shape)) > MOST_WHOLE:
            raise InputError("this attention is too large to send at once: ask for one layer with ?layer=.")
        index = None if layer is None else _number("layer", artifact.shape[0])
        return _cached(artifact, f"u8-{layer}", lambda: {"attention": _drawn(cache.get(run_id, artifact), index)})

    @routes.get("/attention/thumbnail.safetensors")
    def small(run_id: str) -> Response:
        artifact = cache.artifact(run_id)
        side = min(_number("side", 129, default=32) or 1, artifact.shape[-1])
        return _cached(artifact, f"thumb-{side}", lambda: {
            "thumbnail": np.concatenate([thumbnail(sqrt_bytes(np.ascontiguousarray(part[None])), side)
                                         for part in cache.get(run_id, artifact)])})  # fmt: skip

    @routes.get("/attention/value")
    def value(run_id: str) -> dict[str, Any]:
        artifact = cache.artifact(run_id)
        return exact(cache.get(run_id, artifact), artifact)

    @routes.get("/attributions.safetensors")
    def attributions(run_id: str) -> Response:
        detail = services.store.run(run_id)
        etag = f"{run_id}-{detail.result_key[:32]}-attributions"
        return _tagged(etag, "float32", lambda: _grids(detail))

    server.register_blueprint(routes)


def exact(weights: NDArray[np.float16], artifact: ArtifactRow) -> dict[str, Any]:
    """The stored weights of one head (`weights` `[query, key]`), of one of its queries (`[key]`) with `query` in the
    request, or of one cell (`weight`) with `key` as well; without layer and head of that cell in every head (`weights`
    `[layer, head]`)."""
    layers, heads, queries, keys = weights.shape
    if "layer" not in request.args and "head" not in request.args and "key" in request.args:
        query, key = _number("query", queries), _number("key", keys)
        return {"query": query, "key": key, "dtype": artifact.dtype, "weights": _plain(weights[:, :, query, key])}
    layer, head = _number("layer", layers), _number("head", heads)
    answer: dict[str, Any] = {"layer": layer, "head": head, "dtype": artifact.dtype}
    if "query" not in request.args:
        if queries > MOST_QUERIES:
            raise InputError(f"a head of more than {MOST_QUERIES} tokens is not sent whole: ask for one query.")
        return {**answer, "weights": _plain(weights[layer, head])}
    answer["query"] = query = _number("query", queries)
    row = weights[layer, head, query]
    if "key" in request.args:
        key = _number("key", keys)
        return {**answer, "key": key, "weight": _plain(row[key])}
    return {**answer, "weights": _plain(row)}


def _plain(weights: NDArray[np.float16] | np.float16) -> Any:
    """For JSON: null in a layer without attention."""
    values = np.asarray(weights, dtype=float)
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()


def _grids(detail: RunDetail) -> dict[str, NDArray[np.float32]]:
    if detail.trace is None:
        return {}
    return grid_arrays(detail.attributions, group_starts(detail.trace.tokens, detail.continuation, detail.attributions))


def _drawn(weights: NDArray[np.float16], layer: int | None) -> NDArray[np.uint8]:
    return sqrt_bytes(np.ascontiguousarray(weights if layer is None else weights[layer]))


def _cached(artifact: ArtifactRow, variant: str, make: Callable[[], Mapping[str, Any]]) -> Response:
    """safetensors with an ETag over content and variant; a browser that has it gets 304 and nothing is decoded."""
    return _tagged(f"{artifact.sha256[:32]}-{variant}", ENCODING, make)


def _tagged(etag: str, encoding: str, make: Callable[[], Mapping[str, Any]]) -> Response:
    compressed = [f"{etag}:{name}" for name in ("zstd", "br", "gzip", "deflate")]  # as flask-compress writes it
    if any(request.if_none_match.contains(known) for known in (etag, *compressed)):
        response = Response(status=304)
    else:
        body = save(dict(make()), metadata={"encoding": encoding})
        response = Response(body, mimetype="application/octet-stream")
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _number(name: str, size: int, default: int | None = None) -> int:
    """A whole number in [0, size) from the query string. Raises InputError."""
    text = request.args.get(name)
    if text is None and default is not None:
        return default
    try:
        number = int(text or "")
    except ValueError:
        raise InputError(f"{name} must be a whole number from 0 to {size - 1}, not {text!r}.") from None
    if not 0 <= number < size:
        raise InputError(f"{name} must lie between 0 and {size - 1}, not {number}.")
    return number


def thumbnail(levels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Max-pool `[layer, head, query, key]` to `[layer, head, c, c]`, c = min(side, T); cell i covers i*T/c to
    (i+1)*T/c.

    The maximum, not the mean: a thin diagonal must stay visible.
    """
    length = levels.shape[-1]
    count = min(side, length)
    starts = np.ceil(np.arange(count) * length / count).astype(np.intp)
    rows = np.maximum.reduceat(levels, starts, axis=2)
    return np.ascontiguousarray(np.maximum.reduceat(rows, starts, axis=3))
