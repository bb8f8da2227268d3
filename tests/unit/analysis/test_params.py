from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.params import applied, checked, resolve_params
from headscope.analysis.registry import STANDARD, Param, analyses, parse_analyses

DECLARED = (
    Param("norm", "choice", "l2", "", choices=("l1", "l2")),
    Param("steps", "int", 50, "", minimum=2, maximum=100),
    Param("share", "float", 0.5, "", minimum=0),
    Param("hold", "bool", True, ""),
    Param("word", "text", "\n", "", maximum=5),
)


def test_defaults_and_text_from_a_command_line() -> None:
    assert checked("m", DECLARED, {}) == {}
    given = {"norm": "l1", "steps": "7", "share": "1e-3", "hold": "false", "word": " 5"}
    assert checked("m", DECLARED, given) == {"norm": "l1", "steps": 7, "share": 0.001, "hold": False, "word": " 5"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("norm", "l3", "one of l1, l2"),
        ("steps", 1, "a whole number >= 2 and <= 100"),
        ("steps", 101, "a whole number"),
        ("steps", 2.5, "a whole number"),
        ("steps", True, "a whole number"),
        ("steps", "many", "a whole number"),
        ("share", -1, "a number >= 0"),
        ("share", float("nan"), "a number"),
        ("hold", "perhaps", "true or false"),
        ("word", "", "a text of 1 to 5 characters"),
        ("word", "longer", "a text of 1 to 5 characters"),
        ("word", 5, "a text"),
        ("word", "a\0", "a text"),
        ("word", "\ud800", "a text"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"parameter {name} must be {says}") as caught:
        checked("m", DECLARED, {name: value})
    assert caught.value.kind == "params"


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(UnknownNameError, match="hold, norm, share, steps, word"):
        checked("m", DECLARED, {"nrom": "l1"})


def test_analyses_by_name_and_by_group() -> None:
    assert parse_analyses("saliency, heads") == ("heads", "saliency")
    assert set(parse_analyses("standard")) == set(STANDARD)
    assert parse_analyses("standard,receipts")[-1] == "toxicity"
    assert "receipts" in parse_analyses("receipts,standard")
    assert set(parse_analyses("all")) >= {*STANDARD, "receipts"}
    with pytest.raises(UnknownNameError, match="standard"):
        parse_analyses("salience")


def test_everything_a_form_needs_is_there_without_torch() -> None:
    code = (
        "import sys\n"
        "from headscope.analysis.params import resolve_params\n"
        "from headscope.analysis.registry import analyses\n"
        "for name, entry in analyses().items():\n"
        "    assert resolve_params(name, {}) == {param.name: param.default for param in entry.params}, name\n"
        "    assert entry.label and entry.summary and all(param.help for param in entry.params), name\n"
        "assert not {'torch', 'transformers', 'captum', 'shap'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_choice_makes_meaningless_is_left_out() -> None:
    zero = resolve_params("head_ablation", {})
    assert applied("head_ablation", zero) == {"kind": "zero"}
    assert applied("head_ablation", {**zero, "kind": "mean"}) == {"kind": "mean", "mean_over": "prompt"}
    assert applied("head_ablation", {**zero, "kind": "resample"}) == {"kind": "resample", "draws": 4, "seed": 0}
    assert "n_steps" not in applied("integrated_gradients", resolve_params("integrated_gradients", {}))
    assert applied("saliency", {"norm": "l1"}) == {"norm": "l1"}
    for name, entry in analyses().items():
        declared = {param.name: param for param in entry.params}
        for param in filter(lambda param: param.when, entry.params):
            choice, values = param.when or ("", ())
            there = set(
                declared[choice].choices
            )  # a parameter may serve several analyses, each with choices of its own
            assert set() < set(values) & there < there, (name, param.name)
