"""Is a stored result what the model computes? Compares a run of the store with the same request computed again.

Two passes over one prompt differ by float rounding, more so in another batch. A number differs when it is further from
the stored one than ABSOLUTE plus RELATIVE times the largest stored number of its array; a text, a token id or a status
when it is another one. Ranks, and which candidates stand at a near tie, follow from numbers that are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headscope.analysis.errors import HeadscopeError
from headscope.analysis.registry import DETECTORS
from headscope.analysis.types import (
    UNREADABLE,
    Attribution,
    GenerationParams,
    MeasuredArray,
    ModelRef,
    Prompt,
    RunResult,
    RunSpec,
    RunStatus,
)
from headscope.analysis.types.attributions import partner_of
from headscope.analysis.types.findings import Finding, ToxicityScore
from headscope.storage.rows import RunDetail

ABSOLUTE, RELATIVE = 1e-4, 1e-3
TOLERANCE = f"{ABSOLUTE:g} + {RELATIVE:g} of the largest stored number of an array"


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of result of one run. largest: the largest absolute difference, inf where one of two is not measured,
    NaN where there are no numbers to compare. note: what is another text, or why nothing could be compared."""

    kind: str
    largest: float
    differs: bool
    note: str = ""


def request_of(detail: RunDetail, model: str) -> tuple[RunSpec, Prompt]:
    """The request that a stored run answers, from the model `model`."""
    row, generated = detail.row, detail.continuation
    unreadable = row.error if row.error_kind in UNREADABLE else None
    prompt = Prompt(
        row.prompt_key, row.text, row.target, row.foil, row.group_name, row.pair_id, row.tags, unreadable,
        partner_of(detail.attributions),
    )  # fmt: skip
    spec = RunSpec(
        ModelRef(model, backend=detail.model.ref.backend, dtype=detail.model.ref.dtype),
        (),
        detail.analyses,
        detail.seed,
        GenerationParams() if generated is None else generated.params,
        detail.capsule.get("params") or {},
        detail.capsule.get("quantity", "logprob"),
        detail.capsule.get("explain", "next"),
        detail.capsule.get("chat", False),
        detail.capsule.get("start_token", False),
        detail.capsule.get("device", "cpu"),
        interventions=tuple(detail.capsule.get("interventions") or ()),
    )
    return spec, prompt


def compare(
    stored: RunDetail, computed: RunResult, attention: Callable[[], NDArray[np.float16] | None]
) -> list[Difference]:
    """Every kind of result that either has; `attention` reads the stored pattern."""
    if stored.row.status is not computed.status or computed.status is not RunStatus.SUCCEEDED:
        same = stored.row.status is computed.status and stored.row.error_kind == computed.error_kind
        said = f"{stored.row.status.value} ({stored.row.error_kind or 'no error'}) is now {computed.status.value}"
        return [Difference("status", np.nan, not same, "" if same else f"{said}: {computed.error or 'no error'}")]
    parts = (
        ("trace", stored.trace, computed.trace),
        ("target", stored.target, None if computed.target is None else replace(computed.target, ids=(), foil_ids=())),
        ("heads", stored.heads, computed.heads),
        ("layers", stored.layers, computed.layers),
        ("lens", stored.lens, computed.lens),
        ("continuation", stored.continuation, computed.continuation),
        *_named(stored.measured, computed.measured),
    )
    found = [
        _difference(kind, before, after) for kind, before, after in parts if not (before is None and after is None)
    ]
    found += _attributions(stored.attributions, computed.attributions)
    found += _findings(stored.findings, computed.findings)
    if stored.artifacts or computed.attention is not None:
        found.append(_attention(attention, computed.attention))
    return found


def _named(
    before: Sequence[MeasuredArray], after: Sequence[MeasuredArray]
) -> list[tuple[str, MeasuredArray | None, MeasuredArray | None]]:
    old, new = ({item.name: item for item in items} for items in (before, after))
    return [(name, old.get(name), new.get(name)) for name in {**old, **new}]


def _attention(read: Callable[[], NDArray[np.float16] | None], computed: NDArray[np.float16] | None) -> Difference:
    try:
        return _difference("attention", read(), computed)
    except HeadscopeError as error:  # the file is lost or damaged
        return Difference("attention", np.nan, True, str(error))


def _difference(kind: str, before: Any, after: Any) -> Difference:
    if before is None or after is None:
        return Difference(kind, np.nan, True, f"{'not stored' if before is None else 'not computed'}")
    largest, note, differs = np.nan, "", False
    for name, old, new in _pairs(before, after):
        if isinstance(old, str | tuple):
            if old != new:
                note, differs = f"{name}: {old!r:.60} is now {new!r:.60}", True
            continue
        here, beyond = _numbers(old, new)
        largest, differs = float(np.fmax(largest, here)), differs or beyond
    return Difference(kind, largest, differs, note)


LEFT_OUT = {
    "seconds", "peak_bytes", "params", "outcome", "receipt", "char_spans", "words", "special", "ranks", "rank",
    "foil_rank", "lens_rank", "topk_ids", "topk_texts", "top_ids", "top_texts", "verdict", "reason", "evidence",
    "shapley_top1",
}  # fmt: skip
"""What measures the machine, follows from what is compared, or turns with rounding."""


def _pairs(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Fields of two results, those of parts too."""
    if not _compound(before):
        yield "values", before, after
        return
    for name in (field.name for field in fields(before) if field.name not in LEFT_OUT):
        old, new = getattr(before, name), getattr(after, name)
        if _compound(old) and _compound(new):
            yield from _pairs(old, new)
        elif isinstance(old, tuple) and isinstance(new, tuple) and all(map(_compound, old + new)):
            yield name, str(len(old)), str(len(new))
            for mine, other in zip(old, new, strict=False):
                yield from _pairs(mine, other)
        elif not (old is None and new is None):
            yield name, "nothing" if old is None else old, "nothing" if new is None else new


def _compound(value: Any) -> bool:
    return hasattr(value, "__dataclass_fields__")


def _numbers(before: ArrayLike, after: ArrayLike) -> tuple[float, bool]:
    """The largest absolute difference and whether it is beyond the tolerance; unmeasured in both is the same."""
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if old.shape != new.shape:
        return np.inf, True
    apart = np.where((old == new) | (np.isnan(old) & np.isnan(new)), 0.0, np.abs(old - new))
    if not apart.size:
        return np.nan, False
    largest = float(np.where(np.isnan(apart), np.inf, apart).max())
    if not np.issubdtype(np.asarray(before).dtype, np.floating):
        return largest, largest > 0
    finite = np.abs(old[np.isfinite(old)])
    return largest, largest > ABSOLUTE + RELATIVE * float(finite.max(initial=0.0))


def _attributions(before: Sequence[Attribution], after: Sequence[Attribution]) -> Iterator[Difference]:
    old, new = ({item.method: item for item in items} for items in (before, after))
    for method in dict.fromkeys([*old, *new]):
        mine, other = old.get(method), new.get(method)
        yield _difference(f"attributions: {method}", mine, other)
        receipts = [None if item is None else item.receipt for item in (mine, other)]
        if receipts != [None, None]:
            yield _difference(f"receipts: {method}", *receipts)


def _findings(before: Sequence[Finding], after: Sequence[Finding]) -> Iterator[Difference]:
    """Detectors look over a whole experiment, at stored runs: `headscope detect` computes them again."""
    old, new = ({_probe(item): item.score for item in items} for items in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if name in DETECTORS:
            continue
        yield _difference(f"probes: {name}", old.get(name), new.get(name))


def _probe(item: Finding) -> str:
    return f"toxicity {item.part} {item.label}" if isinstance(item, ToxicityScore) else item.probe
