"""Checks the parameters a request gives a method against those the method declares. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.interfaces import Param
from headscope.analysis.types import Params


def resolve_params(method: str, declared: Sequence[Param], given: Params) -> dict[str, Any]:
    """Every declared parameter with its given or default value, of the declared kind.

    Raises UnknownNameError for a name that is not declared, InputError (kind `params`) for a value out of its range.
    """
    names = {param.name for param in declared}
    for name in given:
        if name not in names:
            raise UnknownNameError(f"parameter of {method}", name, names)
    return {param.name: _value(method, param, given.get(param.name, param.default)) for param in declared}


def _value(method: str, param: Param, value: Any) -> Any:
    allowed = _allowed(param)
    try:
        converted = _convert(param, value)
    except (TypeError, ValueError, OverflowError):
        converted = None
    too_small = param.minimum is not None and isinstance(converted, int | float) and converted < param.minimum
    too_large = param.maximum is not None and isinstance(converted, int | float) and converted > param.maximum
    if converted is None or too_small or too_large:
        raise InputError(f"{method}: parameter {param.name} must be {allowed}, not {value!r}", kind="params")
    return converted


def _convert(param: Param, value: Any) -> Any:
    """The value as the declared kind, None when it is not one."""
    if param.kind == "choice":
        return value if value in param.choices else None
    if param.kind == "bool":
        return {"true": True, "false": False}.get(str(value).lower())
    if isinstance(value, bool):
        return None
    number = float(value)
    if param.kind == "int":
        return int(number) if number.is_integer() else None
    return number if math.isfinite(number) else None


def _allowed(param: Param) -> str:
    if param.kind == "choice":
        return f"one of {', '.join(param.choices)}"
    if param.kind == "bool":
        return "true or false"
    kind = "a whole number" if param.kind == "int" else "a number"
    limits = [f">= {param.minimum:g}"] if param.minimum is not None else []
    limits += [f"<= {param.maximum:g}"] if param.maximum is not None else []
    return " ".join([kind, " and ".join(limits)]).strip()
