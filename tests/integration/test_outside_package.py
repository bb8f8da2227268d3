"""A package of somebody else's: the examples of docs/architecture.md, found by command line, store and pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from headscope.analysis.types.findings import ProbeResult
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
TOGETHER = f"""
import json, sys
sys.path.append({str(ROOT)!r})  # for `tests`; last, so that it hides nothing
from headscope.dashboard.app import create_app
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.cli import headscope

store_file, *commands = json.loads(sys.argv[1])
done = [headscope(*words) for words in commands]
with Store.open(store_file) as store:
    app = create_app(Services(store))
    client = app.server.test_client()
    def ask(output, prop, value, ids):
        changed = f"{{ids}}.{{prop}}"
        inputs = [{{"id": ids, "property": prop, "value": value}}]
        body = {{"output": output, "outputs": {{"id": output.split(".")[0], "property": output.split(".")[1]}},
                "inputs": inputs, "changedPropIds": [changed]}}
        return client.post("/_dash-update-component", json=body, headers={{"Host": "localhost"}}).get_json()
    print(json.dumps({{"done": [[one.returncode, one.stdout, one.stderr] for one in done],
                      "longest": ask("longest-list.children", "n_clicks", 1, "longest-load"),
                      "layout": client.get("/_dash-layout", headers={{"Host": "localhost"}}).get_json()}}))
"""
"""Commands, then pages: in one process, for each would import torch and all else anew."""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `pip install` would leave it: the modules of the document and their entry points."""
    folder = tmp_path_factory.mktemp("outside")
    for code in re.findall(r"```python\n(# toy/.*?)```", DOCUMENT, re.S):
        path = folder / code.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
    groups: dict[str, dict[str, str]] = {}
    for text in re.findall(r"```toml\n(\[project\.entry-points.*?)```", DOCUMENT, re.S):
        groups |= tomllib.loads(text)["project"]["entry-points"]
    metadata = folder / "toy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    lines = [
        line for group, points in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return folder


def run(outside: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(outside)}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_method_a_measurement_and_a_probe_from_outside(outside: Path, tiny_gpt2_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("Where is the door?\nOne two three four\n")
    store_file, model = tmp_path / "headscope.duckdb", ("--prompts", "prompts.txt", "--model", str(tiny_gpt2_dir))
    positive = "SELECT count(*) AS n, min(value) > 0 AS positive FROM v_measured WHERE name = 'embedding_norm'"
    distinct = "SELECT count(DISTINCT next_token_prob) AS n FROM v_runs WHERE text LIKE 'Where%'"
    commands = (
        ("run", *model, "--analyses", "recency,embedding_norm,question,receipts", "--param", "recency.half_life=2"),
        ("sql", positive, "--format", "csv"),
        ("run", *model, "--analyses", "heads", "--backend", "shuffled", "--name", "blank"),
        ("sql", distinct, "--format", "csv"),
    )
    told = json.dumps([f"duckdb:///{store_file}", *commands])
    done = run(outside, sys.executable, "-c", TOGETHER, told, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    for code, _, said in answer["done"]:
        assert code == 0, said
    with Store.open(f"duckdb:///{store_file}") as store:
        rows = {row.text: row.id for row in store.runs_page(RunFilter()).rows if row.model != "blank"}
        detail = store.run(rows["Where is the door?"])
    (found,) = detail.attributions
    n = len(found.scores)
    assert found.scores.tolist() == pytest.approx([0.5 ** ((n - 1 - i) / 2) for i in range(n)])
    assert found.params["half_life"] == 2.0
    assert found.receipt is not None
    (probe,) = (one for one in detail.findings if isinstance(one, ProbeResult) and one.probe == "question")
    assert (probe.score, dict(probe.evidence)) == (1.0, {"marks": 1})
    (norms,) = detail.measured
    assert norms.values.shape == (n,)
    assert answer["done"][1][1].splitlines()[1].split(",")[1].lower() == "true"
    assert answer["done"][3][1].split() == ["n", "2"]
    assert f"{n} tokens: Where is the door?" in json.dumps(answer["longest"])
    assert '"/longest"' in json.dumps(answer["layout"])


def test_a_name_that_does_not_exist_lists_those_from_outside(outside: Path, tmp_path: Path) -> None:
    done = run(outside, HEADSCOPE, "run", "--prompts", "demo", "--analyses", "recensy", cwd=tmp_path)
    assert done.returncode != 0
    assert "recency" in done.stderr
    assert not list(tmp_path.glob("*.duckdb"))


def test_a_broken_package_is_left_out_and_said(tmp_path: Path) -> None:
    metadata = tmp_path / "bad-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    points = "[headscope.methods]\nlost = nowhere:ENTRY\nsaliency = json:dumps\nplain = json:dumps\n"
    (metadata / "entry_points.txt").write_text(points)
    code = "from headscope.analysis.registry import METHODS; print(len(METHODS), METHODS['saliency'].label)"
    done = run(tmp_path, sys.executable, "-c", code, cwd=tmp_path)
    ours = run(tmp_path / "none", sys.executable, "-c", code, cwd=tmp_path)
    assert done.stdout == ours.stdout
    for said in ("lost (nowhere:ENTRY) is left out", "there is a saliency already", "it is no headscope"):
        assert said in done.stderr
