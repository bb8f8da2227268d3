"""Checks the parameters a request gives an analysis against those it declares: the one parser of them. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.registry import Param, analysis
from headscope.analysis.types import Params


def resolve_params(name: str, given: Params) -> dict[str, Any]:
    """Every parameter that the analysis `name` declares, with its given or default value, of the declared kind.

    Raises UnknownNameError for a name that is not declared, InputError (kind `params`) for a value out of its range.
    """
    declared = analysis(name).params
    return {param.name: param.default for param in declared} | checked(name, declared, given)


def applied(name: str, params: Params) -> dict[str, Any]:
    """`params` (in full) without those that the choices among them leave unread."""
    read = {
        param.name
        for param in analysis(name).params
        if param.when is None or params.get(param.when[0]) in param.when[1]
    }
    return {key: value for key, value in params.items() if key in read}


def checked(name: str, declared: Sequence[Param], given: Params) -> dict[str, Any]:
    """The given values alone, as the kinds that are declared: from text, JSON or Python alike. Raises as above."""
    known = {param.name: param for param in declared}
    for key in given:
        if key not in known:
            raise UnknownNameError(f"parameter of {name}", key, known)
    return {key: _value(name, known[key], value) for key, value in given.items()}


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
    if param.kind == "text":
        return value if isinstance(value, str) and _writable(value, param.maximum) else None
    if param.kind == "bool":
        return {"true": True, "false": False}.get(str(value).lower())
    if isinstance(value, bool):
        return None
    number = float(value)
    if param.kind == "int":
        return int(number) if number.is_integer() else None
    return number if math.isfinite(number) else None


def _writable(text: str, most: float | None) -> bool:
    """Whether it says something, is short enough, and databases keep it. Raises UnicodeEncodeError for half a
    character."""
    text.encode()
    return 0 < len(text) <= (most or math.inf) and "\0" not in text


def _allowed(param: Param) -> str:
    if param.kind == "choice":
        return f"one of {', '.join(param.choices)}"
    if param.kind == "text":
        return f"a text of 1 to {param.maximum:g} characters"
    if param.kind == "bool":
        return "true or false"
    kind = "a whole number" if param.kind == "int" else "a number"
    limits = [f">= {param.minimum:g}"] if param.minimum is not None else []
    limits += [f"<= {param.maximum:g}"] if param.maximum is not None else []
    return " ".join([kind, " and ".join(limits)]).strip()
