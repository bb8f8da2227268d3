"""Every `headscope` command of the README and of the documentation is run as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documented import check, documented, furnish

COMMANDS = [command for found in documented().values() for command in found]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path) -> Path:
    return furnish(tmp_path_factory.mktemp("documented"), tiny_gpt2_dir)


def test_there_are_documented_commands() -> None:
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_works(command: str, workplace: Path, request: pytest.FixtureRequest) -> None:
    check(command, workplace, lambda: request.getfixturevalue("shallow_api"))
