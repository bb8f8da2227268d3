"""The Why page without a browser: link, figure, sentences, pairs of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headscope.analysis.errors import InputError
from headscope.analysis.running.patching import analyse_patch
from headscope.analysis.running.tensor_cache import TensorCache, tensor_cache_bytes
from headscope.analysis.types.patching import PatchRequest, PatchResult
from headscope.dashboard.figures.patching import differing, patch_figure, position_labels, recovers
from headscope.dashboard.pages.patching import cards as patching
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.pages.patching.view import candidates, facts, pair_list
from headscope.dashboard.services import ModelListing, Services
from headscope.storage.rows.offensive import PROMPT, Offence
from tests.page_parts import hrefs

if TYPE_CHECKING:
    from pathlib import Path

    from headscope.analysis.backends.hf_causal import HFCausalBackend

CLEAN, CORRUPTED = "One two three four five", "One six three four five"


@pytest.fixture
def result(tiny_gpt2: HFCausalBackend) -> PatchResult:
    return analyse_patch(tiny_gpt2, PatchRequest("tiny", CLEAN, CORRUPTED, cell=(1, 2)))


class Engine:
    def __init__(self, backend: HFCausalBackend) -> None:
        self.backend, self.asked = backend, list[PatchRequest]()

    def models(self) -> list[ModelListing]:
        return [ModelListing("tiny", "folder")]

    def patch(self, request: PatchRequest) -> PatchResult:
        self.asked.append(request)
        return analyse_patch(self.backend, request)


def text_of(component: Any) -> str:
    if isinstance(component, list | tuple):
        return " ".join(map(text_of, component))
    if component is None or isinstance(component, str | int | float):
        return str(component or "")
    return text_of(getattr(component, "children", None))


def test_the_link_holds_the_view_and_names_what_it_cannot_use() -> None:
    query = PatchingQuery(clean=CLEAN, corrupted=CORRUPTED, target=" a", component="mlp", layer=2, position=3)
    assert PatchingQuery.from_query(query.to_query()) == query
    assert query.cell == (2, 3)
    assert query.request("tiny") == PatchRequest("tiny", CLEAN, CORRUPTED, " a", None, "mlp", (2, 3))
    bad = PatchingQuery.from_query("?component=head&layer=-1")
    assert len(bad.notes) == 2
    assert bad.cell is None


def test_the_map_shows_what_was_measured(result: PatchResult) -> None:
    figure = patch_figure(result, (1, 2))
    np.testing.assert_array_equal(figure.data[0].z, result.recovery)
    assert figure.layout.coloraxis.cmid == 0
    assert figure.layout.coloraxis.cmax == -figure.layout.coloraxis.cmin >= 1
    assert len(figure.layout.shapes) == 1
    labels = position_labels(result)
    assert all(("|" in labels[at]) == (at in differing(result)) for at in range(len(labels)))


def test_prompts_that_do_not_differ_in_the_quantity_have_no_recovery(result: PatchResult) -> None:
    nothing = replace(result, recovery=np.full_like(result.recovery, np.nan))
    assert not recovers(nothing)
    figure = patch_figure(nothing, None)
    np.testing.assert_allclose(figure.data[0].z, result.patched - result.corrupted_value)
    assert "no difference to bring back" in text_of(facts(nothing, False))
    assert "not defined" in text_of(candidates(nothing))


def test_the_page_asks_the_engine_for_the_links_prompts(tiny_gpt2: HFCausalBackend) -> None:
    engine = Engine(tiny_gpt2)
    services = Services(None, engine)  # type: ignore[arg-type]
    body, cell, menu = patching.content(services, PatchingQuery(clean=CLEAN, corrupted=CORRUPTED, layer=0, position=1))
    assert hrefs(menu)[0].startswith("/api/v1/patching/map.csv?clean=One")
    assert engine.asked == [PatchRequest("tiny", CLEAN, CORRUPTED, cell=(0, 1))]
    assert "Explained" in text_of(body)
    assert "Layer 0, position 1" in text_of(cell)


def test_every_state_says_what_to_do(tiny_gpt2: HFCausalBackend) -> None:
    services = Services(None, Engine(tiny_gpt2))  # type: ignore[arg-type]
    assert "Write two prompts" in text_of(patching.content(services, PatchingQuery())[0])
    longer = PatchingQuery(clean=CLEAN, corrupted=CORRUPTED + " and more")
    assert "tokens and the corrupted one" in text_of(patching.content(services, longer)[0])
    none = Services(None)  # type: ignore[arg-type]
    assert "headscope serve" in text_of(patching.inputs(none, PatchingQuery()))
    assert patching.content(none, PatchingQuery(clean="a", corrupted="b")) == (None, None, None)
    assert [patching.content(services, query)[2] for query in (PatchingQuery(clean=CLEAN), longer)] == [None, None]


def test_one_prompt_is_enough_for_all_but_the_map(tiny_gpt2: HFCausalBackend) -> None:
    services = Services(None, Engine(tiny_gpt2))  # type: ignore[arg-type]
    query = PatchingQuery(clean=CLEAN, foil=" b")
    assert "second prompt" in text_of(patching.content(services, query)[0])
    told = {"clean": CLEAN, "corrupted": "", "target": "", "foil": " b", "component": "residual"}
    assert patching.boot(services, query) == {**told, "model": "tiny", "computes": True}
    assert patching.boot(Services(None), query) == {**told, "model": "", "computes": False}  # type: ignore[arg-type]
    assert patching.boot(services, PatchingQuery(model="other"))["model"] == "other"


def test_a_pair_of_the_store_is_a_link_that_fills_the_form() -> None:
    class Row:
        def __init__(self, text: str, target: str | None, foil: str | None = None) -> None:
            self.text, self.target, self.foil, self.id, self.model = text, target, foil, text, "tiny"

    def asked(one: Row, other: Row) -> PatchingQuery:
        parts = pair_list([(one, other)], {})._traverse()  # type: ignore[list-item]
        (link,) = (part.href for part in parts if getattr(part, "href", None))
        return PatchingQuery.from_query(link.partition("?")[2])

    query = asked(Row("he", " b"), Row("she", " a"))
    assert (query.clean, query.corrupted, query.target, query.foil, query.model) == ("he", "she", " b", " a", "tiny")
    assert asked(Row("he", " b", " c"), Row("she", " a")).foil == " c"  # what its own margin asked
    assert asked(Row("he", " b", " c"), Row("she", " b", " c")).foil == " c"
    assert [asked(Row("he", target), Row("she", " b")).foil for target in (None, " b")] == ["", ""]
    assert "occupation_gender" in text_of(pair_list([], {}))
    why = {"he": {PROMPT: Offence(PROMPT, "toxic", 0.9, "judge")}}
    parts = list(pair_list([(Row("he", " b"), Row("she", " a"))], why)._traverse())  # type: ignore[list-item]
    titles = {getattr(part, "title", None) for part in parts}
    assert "she" in titles
    assert "he" not in titles  # no cover lies over a title


def test_a_cell_is_looked_at_without_computing_the_map_again(
    tiny_gpt2: HFCausalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, request = TensorCache(tmp_path, 1 << 20), PatchRequest("tiny", CLEAN, CORRUPTED)
    whole = analyse_patch(tiny_gpt2, request, cache)
    monkeypatch.setattr("headscope.analysis.running.patching._Pair.patched", lambda _: pytest.fail("computed again"))
    again = analyse_patch(tiny_gpt2, replace(request, cell=(0, 1)), TensorCache(tmp_path, 1 << 20))
    np.testing.assert_array_equal(again.patched, whole.patched)
    assert again.cell_candidates is not None
    with pytest.raises(pytest.fail.Exception):
        analyse_patch(tiny_gpt2, replace(request, component="mlp"), cache)


def test_the_caches_size_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSCOPE_TENSOR_CACHE_MB", "3")
    assert tensor_cache_bytes() == 3_000_000
    monkeypatch.setenv("HEADSCOPE_TENSOR_CACHE_MB", "many")
    with pytest.raises(InputError, match="number of megabytes"):
        tensor_cache_bytes()
