"""The Bias page without a browser: what is chosen, two models side by side, heads behind a pair, coreference, files."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from headscope.analysis.types import Prompt
from headscope.dashboard import links
from headscope.dashboard.pages.bias.heads import differences
from headscope.dashboard.pages.bias.lines import FACETS, all_lines, chosen, facet_counts, listed
from headscope.dashboard.pages.bias.page import SCOPED
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import bias_store
from tests.bias_store import ROW, ablated, measured, save
from tests.page_parts import hrefs, text_of, walk

HOST = {"Host": "127.0.0.1:8050"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "bias.duckdb")) as opened:
        bias_store.fill(opened)
        yield opened


def card(store: Store, id_: str, **query: Any) -> tuple[Any, Any]:
    return SCOPED.content(id_, Services(store), BiasQuery(experiment=query.pop("experiment", "people"), **query))


def lines(client: FlaskClient, path: str) -> list[dict[str, str]]:
    found = client.get(path, headers=HOST)
    assert found.status_code == 200, found.json
    return list(csv.DictReader(io.StringIO(found.get_data(as_text=True))))


def test_rows_are_chosen_by_facets_with_counts_and_by_words(store: Store) -> None:
    found = all_lines(store, BiasQuery(experiment="people"))
    assert len(found) == 3
    sets, models, groups, tags = FACETS
    query = BiasQuery(experiment="people", models=("two",))
    assert facet_counts(query, found, models) == [("one", 2), ("two", 1)]  # its own choice is not counted under
    assert facet_counts(query, found, sets) == [("manners", 1)]
    assert facet_counts(replace(query, groups=("gone",)), found, groups) == [("old", 1), ("young", 1), ("gone", 0)]
    assert facet_counts(BiasQuery(), found, tags) == [("age", 2), ("coreference", 1)]
    assert [line.contrast.model for line in listed(query, found)] == ["two"]
    words = listed(BiasQuery(q="Stereotype COREF"), found)
    assert [line.contrast.a for line in words] == ["fits the stereotype"]
    assert listed(BiasQuery(groups=("old",), tags=("coreference",)), found) == []
    assert len(listed(BiasQuery(groups=("old", "goes against it")), found)) == 3


def test_what_is_chosen_does_not_change_the_correction_and_can_be_undone(store: Store) -> None:
    body, actions = card(store, "bias-effects", models=("two",), q="old")
    words = " ".join(text_of(body).split())
    assert "of 3 contrasts are marked" in words
    assert "over all 3" in words
    assert "Shown: 1 of 3." in words
    for link in [*hrefs(body), *hrefs(actions)]:
        path, _, rest = link.partition("?")
        if path == "/bias":
            assert BiasQuery.from_query(rest.partition("#")[0]).notes == ()
    clear = next(node for node in walk(body) if getattr(node, "className", "") == "hs-clear")
    assert BiasQuery.from_query(clear.href.partition("?")[2]) == BiasQuery(experiment="people")  # type: ignore[attr-defined]
    sent = {node.name: node.value for node in walk(body) if getattr(node, "name", None) and hasattr(node, "value")}
    assert sent == {"experiment": "people", "models": "two", "q": "old"}
    assert "No row fits" in text_of(card(store, "bias-effects", q="nobody")[0])


def test_two_models_stand_beside_each_other_on_the_pairs_both_have(store: Store) -> None:
    (line,) = all_lines(store, BiasQuery(experiment="people", beside_model="two"))
    assert line.second is not None
    assert (line.contrast.model, line.second.model) == ("one", "two")
    assert line.contrast.effect.mean == pytest.approx(3.35, abs=1e-5)
    assert line.second.effect.mean == pytest.approx(2.35, abs=1e-5)
    assert (line.effect.mean, line.effect.n) == (pytest.approx(1.0, abs=1e-5), 8)
    assert line.adjusted_p == pytest.approx(2 / 2**8)  # all eight wordings on one side
    elsewhere = BiasQuery(experiment="people", model="one", beside_model="one", beside_experiment="later")
    (line,) = all_lines(store, elsewhere)
    assert line.effect.mean == pytest.approx(2.5, abs=1e-5)
    body, actions = card(store, "bias-effects", beside_model="two", row=ROW)
    words = " ".join(text_of(body).split())
    assert "Here − two, nats" in words
    assert "+3.35" in words
    assert "one in later" in text_of(actions)
    pairs = " ".join(text_of(card(store, "bias-pairs", beside_model="two", row=ROW)[0]).split())
    assert "all other groups" not in pairs
    assert "In two" in pairs
    assert "+2.70" in pairs  # pair 7 in model two
    empty = text_of(card(store, "bias-effects", prompt_set="sentences", beside_model="two")[0])
    assert "No pair is in both, here and two" in empty


def test_a_store_with_one_model_offers_nothing_beside_itself(store: Store) -> None:
    _, actions = card(store, "bias-effects", experiment="later")
    offered = [BiasQuery.from_query(link.partition("?")[2]) for link in hrefs(actions) if "beside_model" in link]
    assert {(item.beside_experiment, item.beside_model) for item in offered} == {
        ("people", "one"), ("people", "two"), ("heads", "one")}  # fmt: skip


def test_a_pair_leads_to_the_heads_that_carry_its_difference(store: Store) -> None:
    body, _ = card(store, "bias-heads", experiment="heads", row=ROW, pair="w0")
    words = " ".join(text_of(body).split())
    assert "2.1 +1.500 +0.300 +1.20" in words
    assert "0.2 −0.250 −0.050 −0.20" in words
    assert words.index("2.1") < words.index("0.2 −0.250")
    line = chosen(store, BiasQuery(experiment="heads", row=ROW))
    assert line is not None
    pair = line.contrast.pairs[0]
    found = hrefs(body)
    assert links.compare_heads(pair.a_run, pair.b_run, 2, 1) in found
    assert {links.run_heads(run, "head_ablation") for run in (pair.a_run, pair.b_run)} <= set(found)
    listed_pairs, _ = card(store, "bias-pairs", experiment="heads", row=ROW)
    assert any("pair=w0" in link and link.endswith("#bias-heads") for link in hrefs(listed_pairs))


def test_a_pair_leads_to_the_patching_map_of_what_its_margin_asked(store: Store) -> None:
    line = chosen(store, BiasQuery(experiment="people", row=ROW))
    assert line is not None
    found = hrefs(card(store, "bias-pairs", row=ROW)[0])
    asked = store.runs([pair.a_run for pair in line.contrast.pairs])
    assert len(asked) == 8
    for pair, run in zip(line.contrast.pairs, asked, strict=True):
        assert run.target
        assert run.foil
        link = links.patching(pair.a_text, pair.b_text, target=run.target, foil=run.foil, model=run.model)
        assert link in found


def test_the_mean_of_all_other_groups_is_called_one(tmp_path: Path) -> None:
    values = {"child": 2.0, "old": 0.5, "young": -1.0}
    runs = [measured(Prompt(group, f"The {group} was", " kind", " rude", group, "all", ("age",)), value)
            for group, value in values.items()]  # fmt: skip
    with Store.open(str(tmp_path / "three.duckdb")) as opened:
        save(opened, "people", "one", "manners", runs)
        body, _ = card(opened, "bias-pairs", row="one|manners|age|child|all others")
        words = " ".join(text_of(body).split())
        assert "all others, mean Difference" in words
        assert "The old was +2.00 −0.25 +2.25" in words  # (0.5 - 1) / 2, to which 0.5 and -1 are as near
        assert "the one nearest to it is shown" in words


def test_where_heads_were_not_ablated_the_card_says_how_to(store: Store) -> None:
    assert card(store, "bias-heads", row=ROW) == (None, None)
    assert card(store, "bias-heads", row=ROW, pair="none") == (None, None)
    body, _ = card(store, "bias-heads", row=ROW, pair="w3")
    words = text_of(body)
    assert "was not measured" in words
    commands = [text_of(node) for node in walk(body) if type(node).__name__ == "Code"]
    assert "--prompts manners --model one --analyses head_ablation --experiment people-heads" in commands[1]
    prompts = shlex.split(commands[0])[2:4]
    assert all('"pair_id": "w3"' in prompt for prompt in prompts)


def test_differences_are_the_largest_first_with_their_error() -> None:
    a, b = ablated(np.array([[1.0, np.nan], [0.5, 0.0]])), ablated(np.array([[0.0, 1.0], [2.5, 0.0]]))
    found = differences(a, b)
    assert [(item.layer, item.head, item.difference) for item in found] == [(1, 0, -2.0), (0, 0, 1.0), (1, 1, 0.0)]
    assert np.isnan(found[0].error)
    known = [replace(item, score_errors=np.full((2, 2), error, np.float32)) for item, error in ((a, 3.0), (b, 4.0))]
    assert differences(*known, most=1)[0].error == 5.0


def test_coreference_is_shown_where_it_was_run(store: Store) -> None:
    words = " ".join(text_of(card(store, "bias-coreference")[0]).split())
    assert "all sentences" in words  # the kind, and the set it is of
    assert "100 % [61, 100]" in words  # Wilson's of 6 of 6 wordings
    assert "33 %" in words
    assert "+67" in words
    assert card(store, "bias-coreference", experiment="later") == (None, None)


def test_the_table_is_given_as_a_file_with_its_method(store: Store, client: FlaskClient) -> None:
    found = lines(client, "/api/v1/bias/bias.csv?experiment=people&models=one&sort=effect")
    assert [(row["prompt_set"], row["pairs"], row["wordings"]) for row in found] == [
        ("manners", "8", "8"), ("sentences", "6", "6")]  # fmt: skip
    (line, *_) = listed(BiasQuery(models=("one",), sort="effect"), all_lines(store, BiasQuery(experiment="people")))
    mine = found[0]
    for name, value in (("mean", line.effect.mean), ("low", line.effect.low), ("p", line.effect.p),
                        ("adjusted_p", line.adjusted_p), ("size", line.effect.size)):  # fmt: skip
        assert float(mine[name]) == pytest.approx(value)
    assert (mine["a"], mine["b"], mine["unit"], mine["above"], mine["below"]) == ("old", "young", "nats", "8", "0")
    for word in ("log P(target)", "bootstrap interval", "flipping signs", "Benjamini-Hochberg"):
        assert word in mine["method"]
    (beside,) = lines(client, "/api/v1/bias/bias.csv?experiment=people&beside_model=two")
    assert (beside["model"], beside["other_model"], beside["other_experiment"]) == ("one", "two", "people")
    assert float(beside["mean"]) == pytest.approx(float(beside["here_mean"]) - float(beside["other_mean"]))
    assert "pair by pair" in beside["method"]


def test_pairs_are_given_as_a_file(client: FlaskClient) -> None:
    found = lines(client, f"/api/v1/bias/pairs.csv?experiment=people&row={ROW}&beside_model=two")
    assert len(found) == 8
    first = {row["pair_id"]: row for row in found}["w7"]
    assert (first["a_group"], first["b_group"]) == ("old", "young")
    assert (first["a_text"], first["wording"], first["offensive"]) == ("The w7 old was", "The w7 … was", "")
    assert float(first["difference"]) == pytest.approx(3.7, abs=1e-5)
    assert float(first["other_difference"]) == pytest.approx(2.7, abs=1e-5)


@pytest.mark.parametrize(
    "path", ["bias.csv?sort=x", "pairs.csv?experiment=people", "bias.csv?offensive=perhaps&sort=x"]
)
def test_a_file_that_would_not_be_what_was_asked_for_is_refused(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/v1/bias/{path}", headers=HOST).status_code == 400
    assert client.get("/api/v1/bias/other.csv", headers=HOST).status_code == 404
