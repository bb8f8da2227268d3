"""`store.why`: what the Why page computes, against the functions that compute it and against what is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import headscope
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import InputError
from headscope.analysis.running.patching import analyse_patch
from headscope.analysis.types.patching import PatchRequest
from headscope.notebook.why import Why
from headscope.storage.repository import Store

CLEAN, CORRUPTED = "One two three four five", "One six three four five"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("why") / "s.duckdb")
    Store.open(path).close()
    return path


@pytest.fixture(scope="module")
def why(url: str, tiny_gpt2_dir: Path) -> Iterator[Why]:
    with headscope.open(url) as store:
        yield store.why(str(tiny_gpt2_dir))


def test_a_map_is_that_of_activation_patching(why: Why, tiny_gpt2: HFCausalBackend) -> None:
    found = why.patch(CLEAN, CORRUPTED, target=" two", foil=" six")
    expected = analyse_patch(tiny_gpt2, PatchRequest("tiny", CLEAN, CORRUPTED, " two", " six"))
    frame = found.frame()
    assert set(frame.target) == {" two"}
    cells = frame.pivot(index="layer", columns="position", values="patched_nats").to_numpy()
    np.testing.assert_allclose(cells, expected.patched, atol=1e-5)
    np.testing.assert_allclose(np.array(found.figure().data[0].z, float), expected.recovery, atol=1e-4)
    differs = frame[frame.differs]
    assert set(zip(differs.clean_token, differs.corrupted_token, strict=True)) == {
        (a, b) for a, b in zip(expected.clean.texts, expected.corrupted.texts, strict=True) if a != b
    }


def test_parts_add_up_and_switching_one_off_is_said(why: Why) -> None:
    plain = why.change(CLEAN, target=" two", foil=" six")
    parts = plain.parts()
    assert parts.value.sum() == pytest.approx(parts.total[0], abs=1e-4)
    assert parts.total[0] == pytest.approx(plain.result.before.value, abs=1e-4)
    same = plain.frame()
    np.testing.assert_allclose(same.probability_before, same.probability_after)
    assert same.kl[0] == pytest.approx(0, abs=1e-6)
    changed = why.change(CLEAN, ["head:0.0:zero", "mlp:1:scale:0.5"], target=" two", foil=" six")
    frame = changed.frame()
    assert set(frame.interventions) == {"head:0.0:zero,mlp:1:scale:0.5"}
    assert frame.kl[0] > 0
    assert frame.margin_after[0] == pytest.approx(frame.target_logprob_after[0] - changed.result.after.foil_logprob)
    drawn = np.array(changed.figure().data[0].z, float)
    np.testing.assert_allclose(drawn, changed.result.parts.scores, rtol=1e-6)


def test_what_cannot_be_asked_says_why(why: Why, url: str) -> None:
    for wrong in (
        lambda: why.patch(CLEAN, "One"), lambda: why.change(""), lambda: why.change(CLEAN, ["head:9"]),
        lambda: why.change(CLEAN, ["head:99.0:zero"]), lambda: why.change(CLEAN, ["head:0.0:patch"]),
    ):  # fmt: skip
        with pytest.raises(InputError):
            wrong()
    with headscope.open(url, frame="arrow") as store:
        assert len(store.runs()) == 0  # nothing is stored


def test_frames_are_of_the_kind_that_was_opened(url: str, tiny_gpt2_dir: Path) -> None:
    with headscope.open(url, frame="arrow") as store:
        assert isinstance(store.why(str(tiny_gpt2_dir)).change(CLEAN).frame(), pa.Table)


def test_what_the_documentation_computes(url: str, smollm2: HFCausalBackend) -> None:
    document = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "store.why(" in block)
    with headscope.open(url) as store:
        values: dict[str, Any] = {"store": store}
        exec(code, values)
    cells, parts, after = values["cells"], values["parts"], values["after"]
    assert len(cells) == smollm2.info.n_layers * 5
    assert cells.loc[cells.layer == 0].set_index("position").recovery.idxmax() == 3  # the country
    assert parts.value.sum() == pytest.approx(after.margin_before[0], abs=1e-3)
    assert after.token.str.contains("Paris").any()
