"""Sets that a user imported: kept as ours are, found by name, with licence and provenance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import PromptSet
from headscope.datasets import importers, own_sets, prompt_sets

CROWS = ",sent_more,sent_less,stereo_antistereo,bias_type\n0,Old cats nap.,Young cats nap.,stereo,age\n"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PromptSet:
    monkeypatch.setenv(own_sets.VARIABLE, str(tmp_path / "mine"))
    path = tmp_path / "crows.csv"
    path.write_text(CROWS)
    return importers.load("crows_pairs", path)


def test_a_kept_set_is_found_by_name_with_its_licence(published: PromptSet) -> None:
    assert own_sets.save(published, own_sets.folder() / "crows_pairs.jsonl", "CrowS-Pairs, read from crows.csv") == 2
    for name in ("crows_pairs", "crows-pairs", str(own_sets.folder() / "crows_pairs.jsonl")):
        found = prompt_sets.load(name)
        assert (found.prompts, found.sha256) == (published.prompts, published.sha256)
        assert (found.name, found.licence) == ("crows_pairs", "CC BY-SA 4.0 (as published)")
        assert not found.warnings
    (info,) = prompt_sets.list_own()
    assert (info.name, info.n_prompts, info.version) == ("crows_pairs", 2, published.version)
    assert info.provenance.startswith("CrowS-Pairs, read from crows.csv on 20")


def test_another_set_of_that_name_is_not_written_over(published: PromptSet) -> None:
    path = own_sets.folder() / "mine.jsonl"
    own_sets.save(published, path, "first")
    own_sets.save(published, path, "the same again")
    shorter = replace(published, prompts=published.prompts[:1])
    with pytest.raises(InputError, match="holds other prompts: say --replace"):
        own_sets.save(shorter, path, "second")
    assert own_sets.save(shorter, path, "second", replace_old=True) == 1
    assert len(prompt_sets.load("mine").prompts) == 1
    with pytest.raises(InputError, match=r"must end in \.jsonl"):
        own_sets.save(published, path.with_suffix(".csv"), "third")


def test_a_set_that_was_changed_since_says_so(published: PromptSet) -> None:
    path = own_sets.folder() / "mine.jsonl"
    own_sets.save(published, path, "first")
    path.write_text('{"text": "Old cats nap."}\n')
    found = prompt_sets.load("mine")
    assert found.licence == published.licence
    assert found.version == found.sha256[:12] != published.version
    assert "its prompts were changed since" in found.warnings[-1]


def test_a_file_beside_a_yaml_of_something_else_is_as_any_file(published: PromptSet) -> None:
    path = own_sets.folder() / "mine.jsonl"
    own_sets.save(published, path, "first")
    for content in ("[1, 2", yaml.safe_dump({"version": "1"}), "- a\n"):
        path.with_suffix(".yaml").write_text(content)
        assert prompt_sets.load(str(path)).licence == "not stated"
    assert prompt_sets.list_own() == []


def test_an_unknown_name_names_the_users_sets_too(published: PromptSet) -> None:
    own_sets.save(published, own_sets.folder() / "mine.jsonl", "first")
    with pytest.raises(UnknownNameError, match="mine"):
        prompt_sets.load("nime")
