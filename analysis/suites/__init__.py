"""Scores of published sets, as their papers define them, over runs of prompts that `headscope.datasets.importers` made.

A suite is one module of this folder with a `SUITE`; `SUITES` has it by the format it scores.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.prompt_tags import format_name
from headscope.analysis.suites.base import Suite

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
SUITES: dict[str, Suite] = {module.SUITE.name: module.SUITE for module in _MODULES if hasattr(module, "SUITE")}


def suite(name: str) -> Suite:
    """The suite of a format, in either spelling (crows-pairs). Raises UnknownNameError naming those that there are."""
    if format_name(name) not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[format_name(name)]
