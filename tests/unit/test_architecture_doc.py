"""docs/architecture.md names what is there: paths, walks of at most ten steps, the layers that contracts hold."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()


def test_every_path_is_there() -> None:
    named = set(
        re.findall(
            r"`((?:analysis|storage|dashboard|datasets|migrations|headscope|benchmarks|tests|docs)/[\w/.]*)`", TEXT
        )
    )
    assert len(named) > 30
    assert sorted(path for path in named if not (ROOT / path).exists() and "my_" not in path) == []


@pytest.mark.parametrize(
    "title", ["One prompt, from the command to the page", "One typed text, from the Live page and back"]
)
def test_a_walk_takes_at_most_ten_steps(title: str) -> None:
    section = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    steps = re.findall(r"^(\d+)\. ", section, re.M)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert 5 <= len(steps) <= 10


def test_the_layers_are_those_of_the_contracts() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    blocks = " ".join(TEXT.split("```text\nheadscope.cli")[1].split("```")[0].split())
    for name, told in (("rooms", "headscope.cli" + blocks.split("within analysis")[0]),
                       ("analysis", blocks.split("within analysis: ")[1].split("within storage")[0]),
                       ("storage", blocks.split("within storage: ")[1])):  # fmt: skip
        layers = contracts[f"importlinter:contract:{name}"]["layers"].split("\n")
        held = [
            {word.removeprefix("headscope.") for word in re.split(r" \| ", layer.strip())}
            for layer in layers
            if layer.strip()
        ]
        said = [{word.strip().removeprefix("headscope.") for word in layer.split(",")} for layer in told.split(">")]
        assert said == held, name


def test_no_contract_has_an_exception() -> None:
    assert "ignore_imports" not in (ROOT / ".importlinter").read_text()
