"""The installed package: one name, beside Hugging Face's `datasets`, typed, and quick to import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import headscope

ROOT = Path(__file__).parents[2]

ROOMS = ("analysis", "dashboard", "datasets", "migrations", "storage")
BOTH = """
import json, sys
import headscope
light = sorted(sys.modules.keys() & {"numpy", "pandas", "sqlalchemy", "duckdb", "torch"})
import datasets
from headscope.datasets import prompt_sets
from transformers import Trainer
from transformers.utils import is_datasets_available
rows = datasets.Dataset.from_dict({"text": ["one", "two"]}).map(lambda row: {"size": len(row["text"])})
print(json.dumps({
    "at": headscope.__file__, "version": headscope.__version__, "light": light, "sizes": rows["size"][:],
    "available": is_datasets_available(), "sets": len(prompt_sets.list_sets()), "trainer": Trainer.__name__,
}), flush=True)
from headscope.cli import main
main()
"""
"""Both packages, then a command: in one process, for each would import torch anew."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build in place would leave its folder behind."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for room in ("headscope", *ROOMS):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(out), str(copy)], check=True)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it and, of the packages installed here, only what it asks for.

    Hugging Face's `datasets` beside it, and neither an extra nor our checkout.
    """
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    (packages,) = home.glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "--quiet",
         "--no-deps", str(wheel)], check=True,
    )  # fmt: skip
    asked = _needed(["headscope", "datasets"]) - {"headscope"}
    for there in {Path(part) for name in asked for part in _laid(metadata.distribution(name))}:
        if not (packages / there.name).exists():
            (packages / there.name).symlink_to(there)
    return python


def test_the_wheel_holds_one_name_and_everything_it_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"headscope"}
    here = {
        f"headscope/{path.relative_to(ROOT)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.*")
        if "__pycache__" not in path.parts
    }
    assert sorted({*here, "headscope/py.typed"} - set(names)) == []


def test_it_lives_beside_hugging_face_datasets_and_its_command_makes_and_reads_a_store(
    fresh: Path, tiny_gpt2_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "prompts.txt").write_text("one two three\n")
    run = ["run", "--prompts", "prompts.txt", "--model", str(tiny_gpt2_dir), "--analyses", "heads,saliency"]
    done = subprocess.run([fresh, "-c", BOTH, *run], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[0])
    assert str(fresh.parents[1]) in found["at"]
    assert (found["version"], found["sizes"], found["trainer"]) == (headscope.__version__, [3, 3], "Trainer")
    assert found["available"]
    assert found["sets"] > 5
    assert found["light"] == []  # `import headscope` brings nothing heavy
    sql = [str(fresh.with_name("headscope")), "sql", "SELECT count(*) AS runs FROM v_runs", "--format", "csv"]
    done = subprocess.run(sql, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["runs", "1"], done.stderr


def test_datasets_in_this_process_is_hugging_faces() -> None:
    import datasets

    assert ROOT not in Path(str(datasets.__file__)).parents or ".venv" in str(datasets.__file__)


def test_the_public_face_says_what_it_does_not_have() -> None:
    assert set(headscope.__all__) == {"__version__", "open"}
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        headscope.opne  # noqa: B018


def _needed(names: Iterable[str]) -> set[str]:
    """The distributions that an installation of these brings, extras only where one asks for them."""
    found: set[tuple[str, str]] = set()
    open_ones = [(name, "") for name in names]
    while open_ones:
        name, extra = here = open_ones.pop()
        if here in found:
            continue
        found.add(here)
        for asked in map(Requirement, metadata.requires(name) or ()):
            if not asked.marker or asked.marker.evaluate({"extra": extra}):
                open_ones += [(canonicalize_name(asked.name), each) for each in ("", *sorted(asked.extras))]
    return {name for name, _ in found}


def _laid(distribution: metadata.Distribution) -> set[Path]:
    """What a distribution lays into the folder of packages, by the first part of each file's path."""
    first = {Path(str(file)).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    return {Path(str(distribution.locate_file(part))) for part in first}
