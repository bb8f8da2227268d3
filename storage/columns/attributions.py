"""Between attributions and rows of `attributions`, `attribution_heads`, `attribution_receipts` and `removal_curves`. No
SQL here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headscope.analysis.types import Attribution, Float32
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.types.receipts import Receipt, RemovalCurves, Verdict
from headscope.storage.columns.values import flat, floats, number, unmeasured

Row = dict[str, Any]
CURVES = tuple(name for name, kind in Receipt.__annotations__.items() if kind == "Float32")
NUMBERS = tuple(name for name, kind in Receipt.__annotations__.items() if kind == "float")
MASKED_CURVES = tuple(name for name, kind in RemovalCurves.__annotations__.items() if kind == "Float32")
MASKED_NUMBERS = tuple(name for name, kind in RemovalCurves.__annotations__.items() if kind == "float")
AS_THEY_ARE = ("reason", "masking", "n_units", "n_random", "noise_draws")


def rows_of(items: Sequence[Attribution]) -> dict[str, list[Row]]:
    """Rows of the tables without the run's id; tables without a row are left out."""
    receipts = [(i, item.method, item.receipt) for i, item in enumerate(items) if item.receipt is not None]
    found = {
        "attributions": [_attribution_row(i, item) for i, item in enumerate(items)],
        "attribution_heads": [
            _head_row(i, item.method, item.head_scores) for i, item in enumerate(items) if item.head_scores is not None
        ],
        "attribution_receipts": [_receipt_row(*receipt) for receipt in receipts],
        "removal_curves": [
            _curves_row(i, place, curves) for i, _, receipt in receipts for place, curves in enumerate(receipt.removal)
        ],
    }
    return {table: rows for table, rows in found.items() if rows}


def attributions_of(
    rows: Sequence[Mapping[Any, Any]],
    receipts: Sequence[Mapping[Any, Any]] = (),
    heads: Sequence[Mapping[Any, Any]] = (),
    curves: Sequence[Mapping[Any, Any]] = (),
) -> tuple[Attribution, ...]:
    """The attributions that rows of one run hold, each with its receipt and its scores of heads; `curves` in the order
    of their places."""
    removal: dict[int, list[RemovalCurves]] = {}
    for row in curves:
        removal.setdefault(row["ordinal"], []).append(_curves(row))
    by_ordinal = {row["ordinal"]: _receipt(row, removal.get(row["ordinal"], [])) for row in receipts}
    over_heads = {row["ordinal"]: floats(row["scores"]).reshape(row["n_layers"], row["n_heads"]) for row in heads}
    return tuple(_attribution(row, by_ordinal.get(row["ordinal"]), over_heads.get(row["ordinal"])) for row in rows)


def _attribution_row(ordinal: int, item: Attribution) -> Row:
    layers, errors = item.layer_scores, item.score_errors
    return {
        "ordinal": ordinal,
        "method": item.method,
        "quantity": item.quantity,
        "target": item.target,
        "foil": item.foil,
        "axes": list(item.axes),
        "shape": list(item.scores.shape),
        "scores": flat(item.scores),
        "signed": item.signed,
        "value": number(item.value),
        "convergence_delta": number(item.convergence_delta),
        "seconds": number(item.seconds),
        "params": dict(item.params),
        "error": item.error,
        "layer_scores": None if layers is None else flat(layers),
        "layer_shape": None if layers is None else list(layers.shape),
        "peak_bytes": item.peak_bytes if item.peak_bytes >= 0 else None,
        "score_errors": None if errors is None else flat(errors),
        "outcome": _said(item.outcome) or None,
    }


def _head_row(ordinal: int, method: str, scores: Float32) -> Row:
    n_layers, n_heads = scores.shape
    return {"ordinal": ordinal, "method": method, "n_layers": n_layers, "n_heads": n_heads, "scores": flat(scores)}


def _attribution(row: Mapping[Any, Any], receipt: Receipt | None, heads: Float32 | None) -> Attribution:
    layers, errors = row["layer_scores"], row["score_errors"]
    return Attribution(
        method=row["method"],
        quantity=row["quantity"],
        target=row["target"],
        foil=row["foil"],
        scores=floats(row["scores"]).reshape(tuple(row["shape"])),
        axes=tuple(row["axes"]),
        signed=row["signed"],
        value=unmeasured(row["value"]),
        convergence_delta=unmeasured(row["convergence_delta"]),
        seconds=unmeasured(row["seconds"]),
        params=row["params"],
        error=row["error"],
        layer_scores=None if layers is None else floats(layers).reshape(tuple(row["layer_shape"])),
        peak_bytes=-1 if row["peak_bytes"] is None else row["peak_bytes"],
        receipt=receipt,
        score_errors=None if errors is None else floats(errors).reshape(tuple(row["shape"])),
        outcome=Outcome(**(row["outcome"] or {})),
        head_scores=heads,
    )


def _said(outcome: Outcome) -> Row:
    """What an outcome says beyond nothing."""
    return {
        name: value for name in Outcome.__dataclass_fields__ if (value := getattr(outcome, name)) not in (None, "", {})
    }


def _receipt_row(ordinal: int, method: str, item: Receipt) -> Row:
    return {
        "ordinal": ordinal,
        "method": method,
        "verdict": item.verdict.value,
        **{name: getattr(item, name) for name in AS_THEY_ARE},
        **{name: flat(getattr(item, name)) for name in ("fractions", *CURVES)},
        **{name: number(getattr(item, name)) for name in NUMBERS},
        "unit": item.unit,
        "exact": item.exact,
        "second_baseline": item.second_baseline or None,
    }


def _receipt(row: Mapping[Any, Any], removal: Sequence[RemovalCurves]) -> Receipt:
    """NULL units are those of schemas before 0011, which removed tokens in sampled orders."""
    values: Row = {name: row[name] for name in AS_THEY_ARE}
    values |= {name: floats(row[name]) for name in ("fractions", *CURVES)}
    values |= {name: unmeasured(row[name]) for name in NUMBERS}
    values |= {"unit": row["unit"] or "token", "exact": bool(row["exact"])}
    values |= {"second_baseline": row["second_baseline"] or "", "removal": tuple(removal)}
    return Receipt(verdict=Verdict(row["verdict"]), **values)


def _curves_row(ordinal: int, place: int, item: RemovalCurves) -> Row:
    return {
        "ordinal": ordinal,
        "place": place,
        "masking": item.masking,
        **{name: flat(getattr(item, name)) for name in MASKED_CURVES},
        **{name: number(getattr(item, name)) for name in MASKED_NUMBERS},
    }


def _curves(row: Mapping[Any, Any]) -> RemovalCurves:
    values: Row = {name: floats(row[name]) for name in MASKED_CURVES}
    values |= {name: unmeasured(row[name]) for name in MASKED_NUMBERS}
    return RemovalCurves(row["masking"], **values)
